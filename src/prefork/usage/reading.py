"""What is read of a server at one moment, and what follows from two moments: a sample, and what has changed between them. Pure.

A server's totals begin with the server: nothing is said about a span in which it was started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from prefork.usage.measures import Flight, Share, in_flight, places
from prefork.usage.sample import CLASSES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Status = Mapping[str, Any]
    Kind = Literal["start", "reload", "scaling", "incident"]


class Reading(NamedTuple):
    """`at` is in seconds since 1970, `clock` in monotonic ones. `workers` is how many processors the workers used for half a
    second. `health` is as `Health.told` has it, with the `database`.
    """

    at: float
    clock: float
    status: Status
    processor: Share
    workers: float
    health: Mapping[str, Any]


class Mark(NamedTuple):
    """Something that a chart shows on its axis."""

    at: float
    kind: Kind
    text: str


def between(before: Reading, after: Reading) -> Sample | None:
    """What the server has done between two readings; None where it is not the same process."""
    if before.status["pid"] != after.status["pid"]:
        return None
    then, now = before.status, after.status
    flight = flown(then, now)
    shed, had = (sum(lane["shed"] for lane in each["lanes"]) for each in (now, then))
    memory = {row["name"]: row["memory"] for row in now["workers"] if row["pool"] == "http" and row["memory"] is not None}
    return Sample(
        at=before.at,
        seconds=after.clock - before.clock,
        configured=places(now),
        in_flight=flight,
        in_flight_most=flight,
        cpu=after.processor.percent,
        waits=grown(then["histograms"]["wait"], now["histograms"]["wait"]),
        services=grown(then["histograms"]["service"], now["histograms"]["service"]),
        **answers(then["dispatcher"], now["dispatcher"]),
        shed=more(had, shed),
        queued=now["queue"]["length"],
        connections=now["dispatcher"]["connections"],
        websockets=now["websocket"]["connections"],
        jobs=jobs(then["workers"], now["workers"]),
        incidents=more(then["incidents"], now["incidents"]),
        memory=sum(memory.values()) / len(memory) if memory else None,
        memory_most=max(memory.values(), default=None),
        workers=memory,
        **machine(after.health),
    )


def flown(then: Status, now: Status) -> float | None:
    """The share of the time that workers had a request; None while the dispatcher is silent."""
    first, second = Flight.of(then["occupied"]), Flight.of(now["occupied"])
    return in_flight(first, second, places(now)).percent if second.at > first.at > 0 else None


def more(then: int, now: int) -> int:
    """By how much a total has grown; one that shrinks is another one."""
    return max(0, now - then)


def grown(then: Sequence[int], now: Sequence[int]) -> dict[int, int]:
    """The buckets that have grown. One shrinks when its lane is no longer declared."""
    return {number: more(*pair) for number, pair in enumerate(zip(then, now, strict=True)) if pair[1] > pair[0]}


def answers(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """How requests have ended."""
    classes = {field: more(then["classes"][name], now["classes"][name]) for name, field in CLASSES.items()}
    return classes | {name: more(then[name], now[name]) for name in ("refused", "failed", "retried", "abandoned")}


def jobs(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> int:
    """How many jobs workers have ended. What one did between the last look at it and its own end is not known."""
    had = {row["pid"]: row["requests"] for row in then if row["pool"] == "cron"}
    return sum(more(had.get(row["pid"], 0), row["requests"]) for row in now if row["pool"] == "cron")


def machine(health: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of its health that are kept."""
    group, database = health["cgroup"] or {}, health["database"] or {}
    return {
        "host_cpu": health["cpu"]["percent"],
        "host_memory": health["memory"]["percent"],
        "host_swap": health["swap"]["percent"],
        "disk": health["disk"]["percent"],
        "database": database.get("percent"),
        "cgroup": group.get("percent"),
        **{f"waited_{what}": share for what, share in health["pressure"].items()},
    }


def changes(before: Reading, after: Reading) -> Iterator[Mark]:
    """What has been done to the server between two readings."""
    then, now = before.status, after.status
    if then["pid"] != now["pid"]:
        yield Mark(after.at, "start", f"started, Prefork {now['version']}")
        return
    if now["generation"] != then["generation"]:
        yield Mark(after.at, "reload", f"generation {now['generation']}")
    for pool, name in ((None, "workers"), ("cron", "workers for jobs"), ("websocket", "workers for WebSockets")):
        had, has = (each[pool]["wanted"] if pool else each["wanted"] for each in (then, now))
        if had != has:
            yield Mark(after.at, "scaling", f"{name}: {had} to {has}")
