"""A Django application that asks its database while it is imported, as an app's `ready` may."""

import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import JsonResponse
from django.urls import path
from referee import refereed

settings.configure(
    SECRET_KEY="for tests on loopback only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TRACE"], "CONN_MAX_AGE": None}},
)
app = refereed(get_wsgi_application(), visible=True)
inherited = None


def ask():
    """Whether a query has opened the file in this process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
    return os.environ["TRACE"] in map(os.path.realpath, Path("/proc/self/fd").iterdir())


def forked(worker):
    """`after_fork`."""
    global inherited
    inherited = connection.connection is not None


def show(request):
    return JsonResponse({"inherited": inherited, "own": ask()})


urlpatterns = [path("connected", show)]
assert ask(), "a connection is open while this is imported"
