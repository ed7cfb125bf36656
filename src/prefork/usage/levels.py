"""The levels of worker usage, and what is recommended at each."""

from __future__ import annotations

from typing import NamedTuple


class Level(NamedTuple):
    """A name and a recommendation."""

    name: str
    recommendation: str


NORMAL = Level("normal", "no action needed")
MODERATE = Level("moderate", "monitor during peak hours")
HIGH = Level("high pressure", "consider adding workers")
CRITICAL = Level("critical", "users may experience slow responses")


def level(percent: float) -> Level:
    """That of a share in per cent: moderate from 60, high above 80, critical above 95."""
    if percent > 95:
        return CRITICAL
    if percent > 80:
        return HIGH
    return MODERATE if percent >= 60 else NORMAL
