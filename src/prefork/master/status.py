"""What the master says about the server when it is asked: the answer of the `status` command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.config.loans import obstacles
from prefork.lanes import REST
from prefork.master.fleet import State
from prefork.master.gauges import is_busy, job_of, task_of
from prefork.master.lanes import distributions as lane_distributions
from prefork.master.lanes import figures, lanes
from prefork.master.pools import CRON, HTTP, LIVE
from prefork.master.routes import distributions as route_distributions
from prefork.scoreboard import (
    ABANDONED,
    ANSWERED,
    BUSY,
    CLASSES,
    CONNECTIONS,
    DISPATCHER,
    FAILED,
    LAG,
    LENT,
    OLDEST,
    OPEN,
    QUEUED,
    REFUSED,
    REQUESTS,
    RETRIED,
    SHOWN_AT,
    SPENT,
    TURNED,
    WAITING_SINCE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.crew import Crew
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.master.pools import Pool
    from prefork.scoreboard import Slot


GLANCES = 1000  # at words that change together, which takes the dispatcher two microseconds


def snapshot(master: Master) -> dict[str, Any]:
    """Times in seconds; JSON's types only."""
    now = time.monotonic()
    counters = master.scoreboard.slot(DISPATCHER)
    oldest = counters[OLDEST]
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": master.state(),
        "uptime": uptime(master),
        "generation": master.generation,
        "app": master.settings.subject,
        "plan": master.settings.plan,
        "addresses": master.addresses,
        "threads": threads_of(master),
        "concurrency": concurrency(master),
        **places(master, HTTP),
        "cron": places(master, CRON),
        "websocket": {**places(master, LIVE), "connections": open_connections(master)},
        "queue": {
            "length": counters[QUEUED],
            "size": master.settings.queue_size,
            "oldest": round(now - oldest / 1e9, 3) if oldest else 0,
        },
        "dispatcher": {
            "pid": master.front.process.pid if master.front.process else None,
            "connections": counters[CONNECTIONS],
            "cpu": master.front.processor(),
            "requests": counters[ANSWERED],
            "lent": figures(master.scoreboard, len(master.settings.lanes), REST)[LENT],
            "retried": counters[RETRIED],
            "failed": counters[FAILED],
            "refused": counters[REFUSED],
            "abandoned": counters[ABANDONED],
            "classes": {f"{first + 2}xx": counters[CLASSES + first] for first in range(4)},
        },
        "lending": lending(master),
        "occupied": occupied(counters),
        "autoscale": master.autoscaler.told(now),
        **lanes(master.settings.lanes, master.scoreboard, now),
        "workers": [row for worker in master.crew.all() for row in rows(worker, master.crew, master.enforcer.memory(worker), now)],
        "incidents": master.inquest.count,
        "fuse": master.fuses.told(),
        "crash_loop": crash_loop(master, now),
    }


def uptime(master: Master) -> float:
    """Seconds since the server's start."""
    return round(time.monotonic() - master.started, 3)


def distributions(master: Master) -> dict[str, Any]:
    """The histograms of lanes and routes, for monitors."""
    return {"lanes": lane_distributions(master.settings.lanes, master.scoreboard), "routes": route_distributions(master.scoreboard)}


def occupied(counters: Slot) -> dict[str, float]:
    """How many workers had a request at a moment (monotonic seconds), and how long all of them together had had one by then."""
    for _ in range(GLANCES):
        at, workers, spent = counters[SHOWN_AT], counters[BUSY], counters[SPENT]
        if at and at == counters[SHOWN_AT]:
            break
    return {"workers": workers, "seconds": spent / 1e9, "at": at / 1e9}


def lending(master: Master) -> dict[str, Any]:
    """Whether connections may be lent to workers, and why they are not, or would not be if they might."""
    settings, generation = master.settings, master.templates.generations.get(master.generation)
    on, found = settings.lend_connections, obstacles(settings)
    # Nobody counts which requests come by unix sockets: where that is some of them, lending is no remedy.
    unix = [address.startswith("unix:") for address in master.addresses]
    if unix and (all(unix) if on else any(unix)):
        found.append("unix sockets")
    if generation and not generation.reads:
        found.append("an interpreter that cannot have Prefork's parser")
    return {"on": on, "obstacles": found}


def line(master: Master) -> str:
    """The server in a line. It changes with the server's state, not with every request."""
    if master.stopping:
        return f"stopping: {master.stopping.cause}; workers left: {len(master.crew.workers)}"
    http, cron, live = (places(master, pool) for pool in (HTTP, CRON, LIVE))
    said = f"{master.state()}, workers ready: {http['ready']} of {http['wanted']}"
    if cron["wanted"]:
        said += f", for jobs: {cron['ready']} of {cron['wanted']}"
    if live["wanted"]:
        said += f", for WebSockets: {live['ready']} of {live['wanted']}"
    said += f", generation {master.generation}"
    if failures := max(supply.backoff.failures for supply in master.supplies.values()):
        said += f"; workers that failed at their start, in a row: {failures}"
    if master.refused:
        said += f"; the last reload failed: {master.refused}"
    return said


def open_connections(master: Master) -> int:
    """How many WebSockets and other lasting connections workers have."""
    return sum(map(master.crew.open_connections, master.crew.all()))


def places(master: Master, pool: Pool) -> dict[str, int]:
    """How many of a pool's workers are wanted and ready; in threaded mode, how many of its threads."""
    supply = master.supplies[pool.name]
    threads = (threads_of(master) if pool is HTTP else None) or 1
    return {
        "wanted": supply.count * threads,
        "ready": sum(max(1, worker.threads) for worker in supply.of(master.crew.ready())),
    }


def concurrency(master: Master) -> int:
    """How many requests a worker of the generation that serves has at a time on its loop; 0 where it has none."""
    generation = master.templates.generations.get(master.generation)
    return generation.concurrency if generation else 0


def threads_of(master: Master) -> int | None:
    """How many threads the one worker has in threaded mode, None outside of it. A loop needs none."""
    return master.settings.threads if master.settings.threaded and not concurrency(master) else None


def rows(worker: Worker, crew: Crew, memory: int | None, now: float) -> Iterator[dict[str, Any]]:
    """One worker: a row for each place that the dispatcher has, or one for all while it has none."""
    if worker.looped:
        yield row_of_loop(worker, crew, memory, now)
        return
    introduced = sorted(crew.pairs.unreleased.intersection(worker.slots))
    for place, name in [(place, worker.pool.place_name(place)) for place in introduced] or [(worker.slot, worker.name)]:
        slot = crew.scoreboard.slot(place)
        task = task_of(slot)
        yield {
            "name": name,
            "pool": worker.pool.name,
            "pid": worker.pid or None,
            "generation": worker.generation,
            "state": doing(worker, slot),
            "requests": slot[REQUESTS],
            "age": round(now - worker.born, 3),
            "busy_for": round(max(0.0, now - task.begun), 3) if task else None,
            "job": job["name"] if (job := job_of(worker, slot, task)) else None,
            "memory": memory,
            "in_flight": slot[OPEN] if worker.speaks else None,
            "lag": lag(slot, now) if worker.speaks else None,
        }


def row_of_loop(worker: Worker, crew: Crew, memory: int | None, now: float) -> dict[str, Any]:
    """A worker with an event loop."""
    slots = [crew.scoreboard.slot(place) for place in worker.slots]
    tasks = [task for slot in slots if (task := task_of(slot))]
    first, states = slots[0], [doing(worker, slot) for slot in slots]
    return {
        "name": worker.name,
        "pool": worker.pool.name,
        "pid": worker.pid or None,
        "generation": worker.generation,
        "state": next((state for state in ("busy", "waiting") if state in states), states[0]),
        "requests": sum(slot[REQUESTS] for slot in slots),
        "age": round(now - worker.born, 3),
        "busy_for": round(max(0.0, now - min(task.begun for task in tasks)), 3) if tasks else None,
        "job": None,
        "memory": memory,
        "in_flight": sum(is_busy(slot) for slot in slots),
        "lag": lag(first, now),
    }


def lag(slot: Slot, now: float) -> float:
    """The longest that an event loop was late lately, or is held up now."""
    held = max(0.0, now - slot[TURNED] / 1e9) if slot[TURNED] else 0.0
    return round(max(held, slot[LAG] / 1e9), 4)


def doing(worker: Worker, slot: Slot) -> str:
    """What a worker does, in a word."""
    if worker.state is not State.READY:
        state: str = worker.state.value
        return state
    if worker.pool.fed:
        return ("waiting" if slot[WAITING_SINCE] else "busy") if is_busy(slot) else "idle"
    if slot[WAITING_SINCE]:
        return "offline"
    return "busy" if task_of(slot) else "idle"


def crash_loop(master: Master, now: float) -> dict[str, Any] | None:
    """The failed starts in a row, when the next start has to wait because of them: of code or workers, whichever waits longest."""
    backoffs = [master.templates.backoff, *(supply.backoff for supply in master.supplies.values())]
    backoff = max(backoffs, key=lambda each: each.not_before)
    if backoff.not_before <= now:
        return None
    return {"failures": backoff.failures, "next_try": round(backoff.not_before - now, 3), "traceback": backoff.first}
