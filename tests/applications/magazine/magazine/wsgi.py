"""The WSGI application, watched by the standard library's referee."""

import os
from wsgiref.validate import validator

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "magazine.settings")
application = validator(get_wsgi_application())
