"""The project's application with the static files of its apps, as `runserver` has it where `DEBUG` is set.

Made in the workers. In production files are collected, and sent by the dispatcher (`static`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler
from django.core.servers.basehttp import get_internal_wsgi_application
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from typing import Any


def wsgi() -> Any:
    """The application of `WSGI_APPLICATION`, or Django's own."""
    return StaticFilesHandler(get_internal_wsgi_application())


def asgi() -> Any:
    """The application of `ASGI_APPLICATION`."""
    return ASGIStaticFilesHandler(import_string(settings.ASGI_APPLICATION))
