"""Prefork: a pre-fork application server for Python web applications.

This file is imported inside the application's own interpreter as well: it imports nothing until an application asks for it.
"""

from __future__ import annotations

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What applications use: `prefork.job`, `prefork.cron`, `prefork.bus`, `prefork.sessions` and `prefork.filestore`."""
    if name == "job":
        from prefork.jobs.declaration import job

        return job
    if name in ("cron", "bus", "sessions", "filestore"):
        from importlib import import_module

        return import_module(f"prefork.{name}")
    raise AttributeError(f"module 'prefork' has no attribute {name!r}")
