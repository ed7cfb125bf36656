"""The Django app. It has no models and no settings."""

from __future__ import annotations

from django.apps import AppConfig


class Prefork(AppConfig):
    """What `INSTALLED_APPS = [..., "prefork.django"]` adds."""

    name = "prefork.django"
    label = "prefork"
    verbose_name = "Prefork"
