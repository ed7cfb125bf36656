"""The pools: what sets the workers of one kind apart from others, a row for each.

Everything else about workers is the same for all pools: `fleet.plan`, limits in two steps, incidents, status. A further pool is a
row here and a body in `worker/template.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.limits import Limit, Limits, Words
from prefork.scoreboard import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.config import Settings
    from prefork.master.fleet import Worker

MOST_WORKERS = 512  # during a reload there may be one more of each


@dataclass(frozen=True)
class Pool:
    """One kind of workers.

    `first` is the place on the scoreboard of the one with number 1. `fed`: the dispatcher gives them their work, and can be asked
    about it; others find it by themselves, and the master keeps the other end of their pairs. `least` is how few can be wanted,
    `fixed` why their number cannot be changed, if it cannot.
    """

    name: str
    first: int
    fed: bool
    least: int
    size: Callable[[Settings], int]
    limits: Callable[[Settings], Limits]
    fixed: Callable[[Settings], str]

    @property
    def places(self) -> range:
        """Its part of the scoreboard."""
        return range(self.first, self.first + PLACES)

    def of(self, workers: Iterable[Worker]) -> list[Worker]:
        """Those that belong to it."""
        return [worker for worker in workers if worker.pool is self]

    def place_name(self, slot: int) -> str:
        """What logs and `status` call one place."""
        return f"{self.name}.{slot - self.first + 1}"


def http_limits(settings: Settings) -> Limits:
    """What a request may take. In threaded mode that cannot be told from the others', and its death would be theirs."""
    if settings.threaded:
        return Limits(age=settings.limit_time_worker)
    return Limits(
        settings.limit_memory_soft,
        settings.limit_memory_hard,
        settings.limit_time_cpu,
        settings.limit_time_real,
        settings.limit_time_worker,
    )


def http_fixed(settings: Settings) -> str:
    """Why there cannot be more or fewer HTTP workers."""
    if not settings.http_enable:
        return "this server has no HTTP workers (http_enable = False)"
    if settings.threaded:
        return "threaded mode (workers = 0) has one process, however many are wanted; set workers or threads in the file and reload"
    return ""


CRON_WORDS = Words("job", "WorkerCron", {Limit.TIME_REAL: "limit_time_real_cron", Limit.AGE: "limit_time_worker_cron"})


def cron_limits(settings: Settings) -> Limits:
    """What a job may take."""
    allowed = settings.limit_time_real_cron
    return Limits(
        settings.limit_memory_soft,
        settings.limit_memory_hard,
        settings.limit_time_cpu,
        settings.limit_time_real if allowed is None else allowed,
        settings.limit_time_worker_cron,
        CRON_WORDS,
    )


def cron_fixed(settings: Settings) -> str:
    """Why there cannot be more or fewer cron workers."""
    return "" if settings.has_jobs else "this server has no jobs (option job_source)"


HTTP = Pool("http", 0, True, 1, lambda settings: settings.processes, http_limits, http_fixed)


def live_limits(settings: Settings) -> Limits:
    """What a websocket worker may take: its connections last, so only the time in which it does nothing for them is limited."""
    soft, hard = settings.limit_memory_soft_gevent, settings.limit_memory_hard_gevent
    own = {
        limit: f"{limit.value}_gevent"
        for limit, value in ((Limit.MEMORY_SOFT, soft), (Limit.MEMORY_HARD, hard))
        if value is not None
    }
    return Limits(
        settings.limit_memory_soft if soft is None else soft,
        settings.limit_memory_hard if hard is None else hard,
        time_real=settings.websocket_stall,
        age=settings.limit_time_worker,
        words=Words("turn of the loop", "WorkerWebSocket", {**own, Limit.TIME_REAL: "websocket_stall"}),
    )


def live_fixed(settings: Settings) -> str:
    """Why there cannot be more or fewer websocket workers."""
    return "" if settings.listens else "this server listens nowhere (http_enable = False and websocket_workers = 0)"


CRON = Pool("cron", PLACES, False, 0, lambda settings: settings.cron_processes, cron_limits, cron_fixed)
LIVE = Pool("websocket", 2 * PLACES, True, 0, lambda settings: settings.websocket_workers, live_limits, live_fixed)
POOLS = (HTTP, CRON, LIVE)
