"""Prefork: a pre-fork application server for Python web applications.

This file is imported inside the application's own interpreter as well: it imports nothing until an application asks for it.
"""

from __future__ import annotations

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What applications use: `prefork.job` and `prefork.cron`."""
    if name == "job":
        from prefork.jobs.declaration import job

        return job
    if name == "cron":
        import prefork.cron as recurring

        return recurring
    raise AttributeError(f"module 'prefork' has no attribute {name!r}")
