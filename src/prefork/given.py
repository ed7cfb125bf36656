"""What the server has told this process for the rooms that applications import: sessions, the filestore, the store.

The template fills it before it loads the application, so that the application need not repeat its configuration; a worker adds how
the server is told something. Outside of a server it is empty. Runs inside the application's interpreter: standard library only,
Python 3.9+.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Callable

settings: dict[str, dict[str, Any]] = {}
tell: Callable[..., None] | None = None  # an event's name and fields, in a worker


class NotGiven(RuntimeError):
    """This process belongs to no server; the sentence says what to name instead."""


def to(room: str, instead: str) -> dict[str, Any]:
    """The settings of a room. Raises NotGiven, with `instead` as the advice."""
    if room not in settings:
        raise NotGiven(f"this process was not started by `prefork serve`, so {room} has no settings; {instead}")
    return settings[room]


def way(directory: str, descriptor: int) -> str:
    """A path to a directory that the server has opened: its own, or one that needs no right to walk there.

    The data directory is closed to workers of another account, and what is in it may be theirs all the same.
    """
    return directory if os.access(directory, os.W_OK | os.X_OK) else f"/proc/self/fd/{descriptor}"
