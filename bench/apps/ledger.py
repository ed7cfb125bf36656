"""A Django project of ordinary size, for the memory scenario: several contrib apps and a registry of about 60 MB of objects.

/            a page from a template, over a sample of a tenth of the registry (reading writes reference counts)
/gc          a full garbage collection; answers the process id and holds its worker long enough for a neighbour to be chosen next
"""

from __future__ import annotations

import gc
import os
import random
import time
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import engines
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest

RECORDS = 100_000
PAGE = "<h1>Ledger</h1><ul>{% for entry in entries %}<li>{{ entry.name }}: {{ entry.amount|floatformat:2 }}</li>{% endfor %}</ul>"

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    INSTALLED_APPS=[
        f"django.contrib.{name}"
        for name in (
            "admin", "admindocs", "auth", "contenttypes", "flatpages", "humanize", "messages",
            "redirects", "sessions", "sites", "sitemaps", "staticfiles", "syndication",
        )
    ],
)  # fmt: skip
django.setup()

REGISTRY = [{"name": f"entry {n}", "amount": n * 1.25, "tags": [f"tag {n}", f"tag {n + 1}"]} for n in range(RECORDS)]
HOT = REGISTRY[: RECORDS // 10]


def ledger(_request: HttpRequest) -> HttpResponse:
    """Render a page over some entries; as in most applications, requests come back to a part of what is loaded."""
    entries = random.sample(HOT, 25)
    return HttpResponse(engines["django"].from_string(PAGE).render({"entries": entries}))


def collect(_request: HttpRequest) -> HttpResponse:
    """Collect garbage, wait a moment with the worker held, and say who did it."""
    gc.collect()
    time.sleep(0.1)
    return HttpResponse(str(os.getpid()), content_type="text/plain")


urlpatterns = [path("", ledger), path("gc", collect)]
app = get_wsgi_application()
asgi_app = get_asgi_application()
