"""The same application on an event loop, with WebSockets of Channels, for `asgi.conf`."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
http = get_asgi_application()  # before anything is imported that needs models

from notes.consumers import Live  # noqa: E402

application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([path("live", Live.as_asgi())])})
