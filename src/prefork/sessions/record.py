"""What a store keeps of a session: when it was made and last seen, and a field for each key of its data, all as JSON. Pure.

Two requests of one visitor may overlap. Each writes only the keys that it has changed itself, so that one does not undo the other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from prefork.sessions.store import Fields

MADE, SEEN = "made", "seen"
QUOTE = '"'  # how the names of the data's fields begin, because they are JSON, too


class Record(NamedTuple):
    """Times are seconds since 1970."""

    made: float
    seen: float
    data: dict[str, Any]


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

    def fields(self, seen: float) -> Fields:
        """What a store has to write, of a session that is used at this time."""
        return {SEEN: json.dumps(seen), **fields_of(self.set)}

    def names(self) -> list[str]:
        """The fields that it has to take out."""
        return [json.dumps(key) for key in self.gone]


def encode(record: Record) -> Fields:
    """A record as a store keeps it."""
    return {MADE: json.dumps(record.made), SEEN: json.dumps(record.seen), **fields_of(record.data)}


def decode(fields: Fields) -> Record | None:
    """The record; None for what is none."""
    try:
        data = {json.loads(name): json.loads(text) for name, text in fields.items() if name.startswith(QUOTE)}
        return Record(float(fields[MADE]), float(fields[SEEN]), data)
    except (ValueError, TypeError, KeyError):
        return None


def fields_of(data: dict[str, Any]) -> Fields:
    """A field for each key."""
    return {json.dumps(key): json.dumps(value) for key, value in data.items()}


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
