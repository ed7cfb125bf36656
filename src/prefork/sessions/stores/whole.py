"""A session as one piece of bytes, for stores that hold it while they write it. Pure; never pickle, which runs code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from prefork.sessions.store import Fields


def pack(fields: Fields) -> bytes:
    """Fields as bytes."""
    return json.dumps(fields, separators=(",", ":")).encode()


def unpack(payload: bytes) -> Fields | None:
    """The fields; None for what is none, such as a file that a power failure has left empty."""
    try:
        read = json.loads(payload)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def changed(current: Fields, fields: Fields, gone: Collection[str]) -> Fields:
    """What is kept after an update; an ended session, which has no fields, gets none."""
    return {**{name: text for name, text in current.items() if name not in gone}, **fields} if current else current
