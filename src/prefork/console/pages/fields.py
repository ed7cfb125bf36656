"""The fields of Settings → Performance, from the declarations of the options: one that is declared need not be described again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS = {
    "Workers": {"workers": "HTTP workers", "max_cron_threads": "Workers for jobs", "websocket_workers": "WebSocket workers"},
    "Where workers is auto": {
        "workers_min": "At the least",
        "workers_max": "At the most",
        "wait_target": "Requests may wait for",
        "database_connections": "Database connections in all",
    },
    "Memory of a worker": {"limit_memory_soft": "Replace it above", "limit_memory_hard": "Kill it above"},
    "Time of a request": {
        "limit_time_cpu": "Processor time",
        "limit_time_real": "Time in all",
        "limit_time_real_cron": "Time of a job",
        "limit_request": "Requests of a worker",
    },
    "Queue": {"queue_size": "Requests that may wait", "queue_timeout": "For how long"},
}
UNSET = "not set"  # as options show it
NAMES = tuple(name for group in GROUPS.values() for name in group)


class Field(NamedTuple):
    """One field. `source` says who gives a value that the file cannot change, else it is empty."""

    name: str
    label: str
    value: str
    hint: str
    number: bool
    least: float | None
    source: str
    problem: str


def groups(settings: Mapping[str, Any], sent: Mapping[str, str], problems: Mapping[str, str]) -> dict[str, list[Field]]:
    """Fields with their values, by the heading above them; what a form has sent is shown again."""
    return {
        heading: [field(name, label, settings[name], sent.get(name), problems.get(name, "")) for name, label in names.items()]
        for heading, names in GROUPS.items()
    }


def field(name: str, label: str, setting: Mapping[str, Any], sent: str | None, problem: str) -> Field:
    """One. A number beyond the plan can be typed: it is the server that refuses it, and says why."""
    option = OPTIONS[name]
    number = option.kind.metavar == "NUMBER"  # and no word in the place of one
    source = setting["source"] if setting["fixed"] else ""
    value = shown(setting) if sent is None else sent
    return Field(name, label, value, setting["help"], number, option.minimum if number else None, source, problem)


def shown(setting: Mapping[str, Any]) -> str:
    """What stands in a field."""
    return "" if setting["value"] == UNSET else str(setting["value"])


def changed(settings: Mapping[str, Any], sent: Mapping[str, str]) -> dict[str, str]:
    """What a form has sent that is not as it is: an option that nobody has touched is not written into the file."""
    found = {name: sent[name].strip() for name in NAMES if name in sent}
    return {name: text for name, text in found.items() if text != shown(settings[name])}
