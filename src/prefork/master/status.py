"""What the master says about the server when it is asked: the answer of the `status` command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.master.fleet import State
from prefork.scoreboard import (
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
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.scoreboard import Scoreboard


def snapshot(master: Master) -> dict[str, Any]:
    """Times in seconds; JSON's types only."""
    now = time.monotonic()
    counters = master.scoreboard.slot(DISPATCHER)
    oldest = counters[OLDEST]
    master.crew.look()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": master.state(),
        "uptime": round(now - master.started, 3),
        "generation": master.generation,
        "app": master.settings.app,
        "addresses": master.addresses,
        "wanted": master.count,
        "ready": len(master.crew.ready()),
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
        },
        "workers": [row(worker, master.scoreboard, now) for worker in master.crew.all()],
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


def row(worker: Worker, scoreboard: Scoreboard, now: float) -> dict[str, Any]:
    """One worker."""
    slot = scoreboard.slot(worker.slot)
    state = worker.state.value
    if worker.state is State.READY:
        state = ("waiting" if slot[WAITING_SINCE] else "busy") if worker.busy else "idle"
    return {
        "name": worker.name,
        "pid": worker.pid,
        "generation": worker.generation,
        "state": state,
        "requests": slot[REQUESTS],
        "age": round(now - worker.born, 3),
        "busy_for": round(max(0.0, now - slot[BEGUN_AT] / 1e9), 3) if worker.busy else None,
    }


def crash_loop(master: Master, now: float) -> dict[str, Any] | None:
    """The failed starts in a row, when the next start has to wait because of them."""
    backoff = master.backoff
    if backoff.not_before <= now:
        return None
    return {"failures": backoff.failures, "next_try": round(backoff.not_before - now, 3), "traceback": backoff.first}
