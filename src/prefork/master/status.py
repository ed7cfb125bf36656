"""What the master says about the server when it is asked: the answer of the `status` command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.master.crew import is_busy
from prefork.master.fleet import State, place_name
from prefork.master.lanes import lanes
from prefork.scoreboard import (
    ABANDONED,
    ANSWERED,
    BEGUN_AT,
    CONNECTIONS,
    DISPATCHER,
    FAILED,
    OLDEST,
    QUEUED,
    REFUSED,
    REQUESTS,
    RETRIED,
    WAITING_SINCE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.crew import Crew
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master


def snapshot(master: Master) -> dict[str, Any]:
    """Times in seconds; JSON's types only."""
    now = time.monotonic()
    counters = master.scoreboard.slot(DISPATCHER)
    oldest = counters[OLDEST]
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": master.state(),
        "uptime": round(now - master.started, 3),
        "generation": master.generation,
        "app": master.settings.served,
        "addresses": master.addresses,
        "threads": master.settings.threads if master.settings.threaded else None,
        "wanted": master.count * (master.settings.threads if master.settings.threaded else 1),
        "ready": sum(len(worker.slots) for worker in master.crew.ready()),
        "queue": {
            "length": counters[QUEUED],
            "size": master.settings.queue_size,
            "oldest": round(now - oldest / 1e9, 3) if oldest else 0,
        },
        "dispatcher": {
            "pid": master.front.process.pid if master.front.process else None,
            "connections": counters[CONNECTIONS],
            "requests": counters[ANSWERED],
            "retried": counters[RETRIED],
            "failed": counters[FAILED],
            "refused": counters[REFUSED],
            "abandoned": counters[ABANDONED],
        },
        **lanes(master.settings.lanes, master.scoreboard, now),
        "workers": [row for worker in master.crew.all() for row in rows(worker, master.crew, master.enforcer.memory(worker), now)],
        "incidents": master.inquest.count,
        "crash_loop": crash_loop(master, now),
    }


def line(master: Master) -> str:
    """The server in a line. It changes with the server's state, not with every request."""
    ready, failures = len(master.crew.ready()), master.backoff.failures
    if master.stopping:
        return f"stopping: {master.stopping.cause}; workers left: {len(master.crew.workers)}"
    said = f"{master.state()}, workers ready: {ready} of {master.count}, generation {master.generation}"
    if failures:
        said += f"; workers that failed at their start, in a row: {failures}"
    if master.refused:
        said += f"; the last reload failed: {master.refused}"
    return said


def rows(worker: Worker, crew: Crew, memory: int | None, now: float) -> Iterator[dict[str, Any]]:
    """One worker: a row for each place that the dispatcher has, or one for all while it has none."""
    places = sorted(crew.unreleased.intersection(worker.slots))
    for place, name in [(place, place_name(place)) for place in places] or [(worker.slot, worker.name)]:
        slot = crew.scoreboard.slot(place)
        busy = is_busy(slot)
        state = worker.state.value
        if worker.state is State.READY:
            state = ("waiting" if slot[WAITING_SINCE] else "busy") if busy else "idle"
        yield {
            "name": name,
            "pid": worker.pid,
            "generation": worker.generation,
            "state": state,
            "requests": slot[REQUESTS],
            "age": round(now - worker.born, 3),
            "busy_for": round(max(0.0, now - slot[BEGUN_AT] / 1e9), 3) if busy else None,
            "memory": memory,
        }


def crash_loop(master: Master, now: float) -> dict[str, Any] | None:
    """The failed starts in a row, when the next start has to wait because of them."""
    backoff = master.backoff
    if backoff.not_before <= now:
        return None
    return {"failures": backoff.failures, "next_try": round(backoff.not_before - now, 3), "traceback": backoff.first}
