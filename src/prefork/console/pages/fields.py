"""The fields of Settings → Performance, from the declarations of the options: one that is declared need not be described again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefork.config import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS = {
    "Workers": {"workers": "HTTP workers", "max_cron_threads": "Workers for jobs", "websocket_workers": "WebSocket workers"},
    "Memory of a worker": {"limit_memory_soft": "Replace it above", "limit_memory_hard": "Kill it above"},
    "Time of a request": {
        "limit_time_cpu": "Processor time",
        "limit_time_real": "Time in all",
        "limit_time_real_cron": "Time of a job",
        "limit_request": "Requests of a worker",
    },
    "Queue": {"queue_size": "Requests that may wait", "queue_timeout": "For how long"},
}
NAMES = tuple(name for group in GROUPS.values() for name in group)


class Field(NamedTuple):
    """One field. `most` is what the plan allows, or None."""

    name: str
    label: str
    value: str
    hint: str
    number: bool
    least: float | None
    most: float | None
    problem: str


def groups(values: Mapping[str, str], most: int | None, problems: Mapping[str, str]) -> dict[str, list[Field]]:
    """Fields with their values, by the heading above them."""
    return {heading: [field(name, label, values, most, problems) for name, label in names.items()] for heading, names in GROUPS.items()}


def field(name: str, label: str, values: Mapping[str, str], most: int | None, problems: Mapping[str, str]) -> Field:
    """One. A number beyond the plan can be typed: it is the server that refuses it, and says why."""
    option = OPTIONS[name]
    number = option.kind.words == "a whole number"
    hint = option.help.replace("`", "")
    return Field(name, label, values.get(name, ""), hint, number, option.minimum if number else None, most, problems.get(name, ""))


def given(sent: Mapping[str, str]) -> dict[str, str]:
    """What a form has sent of them."""
    return {name: sent[name].strip() for name in NAMES if name in sent}
