"""What a Django project needs of whoever forks it and runs its jobs: database connections of each process's own, and none too old.

Django ends those of a request by itself. It is looked for only where the application has imported it, and never imported here.
"""

from __future__ import annotations

import sys
from typing import Any

KNOWN = (4, 1)  # since when its connections can be listed without making them


def part() -> None:
    """Close what the import has opened, before a fork: two processes on one connection garble each other's answers."""
    database = used()
    if database and sys.modules["django"].VERSION >= KNOWN:
        for connection in database.connections.all(initialized_only=True):
            connection.close()
            if hasattr(connection, "close_pool"):
                connection.close_pool()  # its threads would not survive the fork


def refresh() -> None:
    """Close what is broken or older than CONN_MAX_AGE, around a job as around a request."""
    if database := used():
        database.close_old_connections()


def used() -> Any:
    """`django.db`, where the application has imported it and its settings; None otherwise."""
    conf, database = sys.modules.get("django.conf"), sys.modules.get("django.db")
    return database if conf and conf.settings.configured else None
