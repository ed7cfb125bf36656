"""How values read on a page, pure: durations, sizes, times, states. Nothing here knows HTML except by the names of its classes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prefork.config.quantities import about
from prefork.views.jobs import following, last, span, state
from prefork.views.status import fine, rough

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NONE = "–"

# What a state looks like: a class of the style sheet, of few.
LOOKS = {
    "running": "good",
    "ready": "good",
    "normal": "good",
    "ok": "good",
    "done": "good",
    "idle": "good",
    "busy": "busy",
    "reloading": "busy",
    "starting": "busy",
    "booting": "busy",
    "forking": "busy",
    "moderate": "warn",
    "waiting": "warn",
    "warning": "warn",
    "degraded": "warn",
    "high pressure": "warn",
    "retiring": "off",
    "stopping": "off",
    "stopped": "off",
    "paused": "off",
    "removed": "off",
    "unknown": "off",
    "lost": "warn",
    "rolled back": "warn",
    "offline": "bad",
    "unreachable": "bad",
    "not understood": "bad",
    "critical": "bad",
    "active": "bad",
    "failed": "bad",
    "error": "bad",
}


def look(word: str | None) -> str:
    """The class of a state, which may be a word among figures: `failed 3 times`, `paused: it failed too often`."""
    whole = (word or "unknown").split(":")[0]
    return LOOKS.get(whole) or next((LOOKS[part] for part in whole.split() if part in LOOKS), "off")


def duration(seconds: float | None) -> str:
    """In its two largest units."""
    return NONE if seconds is None else rough(seconds)


def brief(seconds: float | None) -> str:
    """One that may be a few milliseconds."""
    return fine(seconds)


def size(count: float | None) -> str:
    """Bytes to one decimal place."""
    return NONE if count is None else about(count)


def percent(share: float | None) -> str:
    """A share that is in per cent already, to one decimal place."""
    return NONE if share is None else f"{share:.1f}".removesuffix(".0")


def count(number: float | None) -> str:
    """A whole number with its thousands apart."""
    return NONE if number is None else f"{number:,.0f}"


def seconds_of(moment: datetime | float) -> float:
    """Since 1970."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def clock(moment: datetime | float | None) -> str:
    """A time in the server's zone."""
    return NONE if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds_of(moment)))


def machine(moment: datetime | float) -> str:
    """The same for `datetime`, the attribute."""
    return datetime.fromtimestamp(seconds_of(moment), UTC).isoformat(timespec="seconds")


def ago(moment: datetime | float | None) -> str:
    """How far away a time is."""
    if moment is None:
        return NONE
    away = seconds_of(moment) - time.time()
    return f"in {span(away)}" if away > 0 else f"{span(-away)} ago"


def sentence(words: str, end: str = ".") -> str:
    """With a capital and a full stop."""
    whole = words[:1].upper() + words[1:]
    return whole if not whole or whole.endswith((end, "?", "!")) else whole + end


def details(members: Mapping[str, Any]) -> str:
    """What belongs to an entry of the audit log; of what is not set nothing is said."""
    return "; ".join(f"{name}: {member_words(each)}" for name, each in members.items() if each)


def member_words(member: Any) -> str:
    """A value of an entry: an object by its names, a list as what was before and what is now."""
    if isinstance(member, dict):
        return ", ".join(f"{name} {member_words(each)}" for name, each in member.items())
    if isinstance(member, list):
        return " → ".join(map(member_words, member))
    return "not set" if member is None else str(member)


def how_last(job: Mapping[str, Any]) -> str:
    """How a job's last run ended."""
    return last(dict(job), datetime.now(UTC))


FILTERS: dict[str, Callable[..., Any]] = {
    "look": look,
    "duration": duration,
    "brief": brief,
    "size": size,
    "percent": percent,
    "count": count,
    "clock": clock,
    "machine": machine,
    "ago": ago,
    "sentence": sentence,
    "details": details,
    "job_state": state,
    "job_next": following,
    "how_last": how_last,
}
