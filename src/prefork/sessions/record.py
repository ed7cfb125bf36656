"""What a store keeps of a session: its data, when it was made and last seen, as JSON. Pure; never pickle, which runs code.

Two requests of one visitor may overlap. Each writes only the keys that it has changed itself, so that one does not undo the other.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

DATA, MADE, SEEN = "data", "made", "seen"


class Record(NamedTuple):
    """Times are seconds since 1970. `data` is None where the session goes on under another id."""

    made: float
    seen: float
    data: Optional[dict[str, Any]]  # noqa: UP045 - evaluated on Python 3.9


class Rules(NamedTuple):
    """How long sessions last, in seconds: without being used, and in all."""

    idle: float
    lifetime: float

    def left(self, record: Record, now: float) -> float:
        """How long it still lasts, if it is used now; not above zero where it has ended."""
        if now - record.seen >= self.idle:
            return 0.0
        return min(self.idle, record.made + self.lifetime - now)

    def due(self, record: Record, now: float) -> bool:
        """Whether it is time to note that it is used. Not at each use: that would write for each request that only reads."""
        return now - record.seen >= min(300.0, self.idle / 10)


class Changes(NamedTuple):
    """What a request has done to the data: the keys that it has set, each with its value, and those that it has taken out."""

    set: dict[str, Any]
    gone: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.set or self.gone)

    def applied(self, data: dict[str, Any]) -> dict[str, Any]:
        """The data of now with these changes."""
        return {**{key: value for key, value in data.items() if key not in self.gone}, **self.set}


def encode(record: Record) -> bytes:
    """A record as a store keeps it."""
    return json.dumps({MADE: record.made, SEEN: record.seen, DATA: record.data}, separators=(",", ":")).encode()


def decode(payload: bytes) -> Record | None:
    """The record; None for what is none, such as a file that a power failure has left empty."""
    try:
        read = json.loads(payload)
        made, seen, data = float(read[MADE]), float(read[SEEN]), read[DATA]
    except (ValueError, TypeError, KeyError):
        return None
    return Record(made, seen, data) if data is None or isinstance(data, dict) else None


def snapshot(data: dict[str, Any]) -> dict[str, str]:
    """Each value as text, to be compared with later ones. Raises TypeError with a sentence for what JSON has no word for."""
    return {key: text(key, value) for key, value in data.items()}


def text(key: str, value: Any) -> str:
    """One value as text."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"session[{key!r}] cannot be kept: {error}; keep text, numbers, lists and dictionaries of them") from None


def compare(before: dict[str, str], after: dict[str, str], data: dict[str, Any]) -> Changes:
    """What has changed between two snapshots; `data` is what the second one was taken of."""
    return Changes({key: data[key] for key in after if after[key] != before.get(key)}, frozenset(before.keys() - after.keys()))
