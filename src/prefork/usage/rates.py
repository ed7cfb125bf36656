"""What has happened between two answers to the command `metrics`: rates, shares, and percentiles of that time alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.usage.measures import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Told = Mapping[str, Any]

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
NOTHING: dict[str, Any] = {"below": [], "count": 0, "sum": 0.0}


def between(before: Told, now: Told, time: float) -> dict[str, Any]:
    """One line of `prefork top`. `time` is that of `now` since the epoch. Times are in seconds, shares are parts of 1."""
    seconds = now["uptime"] - before["uptime"]
    return {
        "time": round(time, 3),
        "seconds": round(seconds, 3),
        "app": now["app"],
        "version": now["version"],
        "state": now["state"],
        "uptime": now["uptime"],
        "generation": now["generation"],
        "concurrency": now["concurrency"],
        "wanted": now["wanted"],
        "ready": now["ready"],
        "cron": now["cron"],
        "websocket": now["websocket"],
        "busy": now["occupied"]["workers"],
        "in_flight": in_flight(before, now),
        "queue": now["queue"],
        "connections": now["dispatcher"]["connections"],
        **endings(before["dispatcher"], now["dispatcher"], seconds),
        **times(before["distributions"]["lanes"], now["distributions"]["lanes"]),
        "routes": routes(before, now, seconds),
        "workers": now["workers"],
        "incidents": now["incidents"],
        "crash_loop": now["crash_loop"] is not None,
    }


def is_later(before: Told, now: Told) -> bool:
    """Whether both are of one server, and time has passed."""
    return bool(now["pid"] == before["pid"] and now["uptime"] > before["uptime"])


def in_flight(before: Told, now: Told) -> float | None:
    """The share of its HTTP workers that had a request; None where nobody has counted meanwhile."""
    seconds: float = now["occupied"]["at"] - before["occupied"]["at"]
    if seconds <= 0 or not places(now):
        return None
    share: float = (now["occupied"]["seconds"] - before["occupied"]["seconds"]) / seconds / places(now)
    return round(max(0.0, share), 4)


def endings(before: Told, now: Told, seconds: float) -> dict[str, float]:
    """How many requests a second were answered, and how many of them ended in each other way meanwhile."""
    counts = {name: now[name] - before[name] for name in ("retried", "failed", "refused", "abandoned")}
    return {"requests": round(max(0, now["requests"] - before["requests"]) / seconds, 1), **counts}


def times(before: Iterable[Told], now: Iterable[Told]) -> dict[str, dict[str, float | None]]:
    """How long the requests of all lanes together waited and were served."""
    earlier = {lane["name"]: lane for lane in before}
    return {
        kind: percentiles([difference(earlier.get(lane["name"], {}).get(kind, NOTHING), lane[kind]) for lane in now])
        for kind in ("wait", "service")
    }


def routes(before: Told, now: Told, seconds: float) -> list[dict[str, Any]]:
    """Those that had requests, by how much of the workers they took: a share of what all that are wanted can do."""
    earlier = {(row["method"], row["path"]): row for row in before["distributions"]["routes"]}
    found = [
        route(earlier.get((row["method"], row["path"])), row, seconds, places(now) or 1) for row in now["distributions"]["routes"]
    ]
    return sorted((row for row in found if row["requests"] > 0), key=lambda row: row["share"], reverse=True)


def route(before: Told | None, now: Told, seconds: float, workers: int) -> dict[str, Any]:
    """One of them."""
    gained = {key: max(0, now[key] - (before[key] if before else 0)) for key in ("requests", "errors", "seconds", "cpu")}
    services = percentiles([difference(before["service"] if before else NOTHING, now["service"])])
    return {
        "method": now["method"],
        "path": now["path"],
        "requests": round(gained["requests"] / seconds, 1),
        "errors": gained["errors"],
        "share": round(gained["seconds"] / seconds / workers, 4),
        "cpu": round(gained["cpu"] / gained["seconds"], 4) if gained["seconds"] else None,
        "service": services,
    }


def difference(before: Told, now: Told) -> Told:
    """A distribution without what it had before."""
    earlier = dict(map(tuple, before["below"]))
    passed = [(mark, count - earlier.get(mark, 0)) for mark, count in now["below"]]
    return {"below": passed, "count": now["count"] - before["count"], "sum": now["sum"] - before["sum"]}


def percentiles(distributions: list[Told]) -> dict[str, float | None]:
    """Those of several distributions with the same marks together, None where nothing was counted."""
    total = sum(each["count"] for each in distributions)
    marks = [mark for mark, _ in distributions[0]["below"]] if distributions else []
    sums = [sum(counts) for counts in zip(*([count for _, count in each["below"]] for each in distributions), strict=True)]
    return {name: reached(marks, sums, share * total) if total > 0 else None for name, share in SHARES.items()}


def reached(marks: list[float], sums: list[int], wanted: float) -> float:
    """The duration at which `wanted` have been counted, as if they lay evenly between two marks."""
    start, passed = 0.0, 0
    for mark, below in zip(marks, sums, strict=True):
        if below >= wanted:
            return round(start + (mark - start) * (wanted - passed) / max(1, below - passed), 6)
        start, passed = mark, below
    return start
