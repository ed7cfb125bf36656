"""What the answers of a server hold that others show and judge, and whether one of another release holds it too. Pure.

Command line, console and server may be of different releases: who has a new one installed need not have restarted. An answer that
says more is welcome; one that lacks something is not understood, and that is a sentence, never a KeyError in whoever relied on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from prefork import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Shape: TypeAlias = "tuple[type, ...] | Mapping[str, Shape] | list[Shape] | Maybe"
Shapes: TypeAlias = "Mapping[str, Shape]"


@dataclass(frozen=True)
class Maybe:
    """This, or None."""

    shape: Shape


TEXT = (str,)
WHOLE = (int,)
NUMBER = (int, float)
SWITCH = (bool,)
OBJECT = (dict,)
POOL: Shapes = {"wanted": WHOLE, "ready": WHOLE}
TIMES: Shapes = {"p50": Maybe(NUMBER), "p95": Maybe(NUMBER), "p99": Maybe(NUMBER)}
COUNTS: Shape = [WHOLE]
DISTRIBUTION: Shapes = {"below": [(list,)], "count": WHOLE, "sum": NUMBER}
LANE: Shapes = {
    "name": TEXT,
    "reserved": WHOLE,
    "limit": Maybe(WHOLE),
    "waiting": WHOLE,
    "working": WHOLE,
    "oldest": NUMBER,
    "arrived": WHOLE,
    "shed": WHOLE,
    "served": WHOLE,
    "wait": TIMES,
    "service": TIMES,
}
WORKER: Shapes = {
    "name": TEXT,
    "pool": TEXT,
    "pid": Maybe(WHOLE),
    "generation": WHOLE,
    "state": TEXT,
    "requests": WHOLE,
    "age": NUMBER,
    "busy_for": Maybe(NUMBER),
    "job": Maybe(TEXT),
    "memory": Maybe(WHOLE),
    "in_flight": Maybe(WHOLE),
    "lag": Maybe(NUMBER),
}
COST: Shapes = {
    "method": TEXT,
    "path": TEXT,
    "requests": WHOLE,
    "errors": WHOLE,
    "seconds": NUMBER,
    "cpu": NUMBER,
    "bytes": WHOLE,
    "queries": WHOLE,
    "sql": NUMBER,
    "growth": WHOLE,
}
STATUS: Shapes = {
    "version": TEXT,
    "pid": WHOLE,
    "state": TEXT,
    "uptime": NUMBER,
    "generation": WHOLE,
    "app": TEXT,
    "plan": Maybe(TEXT),
    "addresses": [TEXT],
    "threads": Maybe(WHOLE),
    "concurrency": WHOLE,
    **POOL,
    "cron": POOL,
    "websocket": {**POOL, "connections": WHOLE},
    "queue": {"length": WHOLE, "size": WHOLE, "oldest": NUMBER},
    "dispatcher": {
        "pid": Maybe(WHOLE),
        "connections": WHOLE,
        "cpu": Maybe(NUMBER),
        **dict.fromkeys(("requests", "lent", "retried", "failed", "refused", "abandoned"), WHOLE),
        "classes": dict.fromkeys(("2xx", "3xx", "4xx", "5xx"), WHOLE),
    },
    "lending": {"on": SWITCH, "obstacles": [TEXT]},
    "occupied": {"workers": WHOLE, "seconds": NUMBER, "at": NUMBER},
    "autoscale": Maybe(
        {
            "held": SWITCH,
            "min": WHOLE,
            "max": WHOLE,
            "bound": {"what": TEXT, "workers": Maybe(WHOLE)},
            "last": Maybe({"before": WHOLE, "workers": WHOLE, "age": NUMBER, "reason": TEXT}),
        }
    ),
    "wait": TIMES,
    "service": TIMES,
    "histograms": {"wait": COUNTS, "service": COUNTS},
    "lanes": [LANE],
    "workers": [WORKER],
    "incidents": WHOLE,
    "fuse": {"path": Maybe(TEXT), "version": Maybe(WHOLE), "reason": Maybe(TEXT)},
    "crash_loop": Maybe({"failures": WHOLE, "next_try": NUMBER, "traceback": Maybe(TEXT)}),
}
ANSWERS: Mapping[str, Shapes] = {
    "status": STATUS,
    "metrics": {
        **STATUS,
        "distributions": {
            "lanes": [{"name": TEXT, "wait": DISTRIBUTION, "service": DISTRIBUTION}],
            "routes": [{**COST, "wait": DISTRIBUTION, "service": DISTRIBUTION}],
        },
    },
    "routes": {"uptime": NUMBER, "routes": [{**COST, "wait": TIMES, "service": TIMES}]},
    "stacks": {"workers": [{"worker": TEXT, "pid": WHOLE, "state": TEXT, "stacks": TEXT}]},
    "reload": {"generation": WHOLE, "seconds": NUMBER, "restart_needed": [TEXT]},
    "retire": {"worker": TEXT},
    "origin": {"file": Maybe(TEXT), "flags": OBJECT, "cwd": TEXT, "environ": OBJECT},
}


def lacking(command: str, answer: Mapping[str, Any]) -> list[str]:
    """What an answer to a command lacks, or has as something else: names such as `workers.lag`."""
    return list(dict.fromkeys(strange(answer, ANSWERS.get(command, {}))))


def strange(said: object, shape: Shape, name: str = "") -> Iterator[str]:
    """The names of what is not as the shape has it."""
    if isinstance(shape, Maybe):
        if said is not None:
            yield from strange(said, shape.shape, name)
    elif isinstance(shape, tuple):
        if not isinstance(said, shape):
            yield name
    elif isinstance(shape, list):
        if not isinstance(said, list):
            yield name
            return
        for each in said:
            yield from strange(each, shape[0], name)
    elif isinstance(said, dict):
        for part, inner in shape.items():
            yield from strange(said.get(part, ...), inner, f"{name}.{part}" if name else part)
    else:
        yield name


def explained(who: str, lacks: list[str], version: object) -> str:
    """That an answer of `who` is not understood, as a sentence. `version` is that of the server, as far as it says one."""
    theirs = (
        f"it is Prefork {version}" if isinstance(version, str) and version not in {"", __version__} else "it is of another release"
    )
    return (
        f"what {who} says is not understood ({', '.join(lacks)}): {theirs}, this is Prefork {__version__}; "
        "restart what is older, or use the command line of the server's own release"
    )
