"""The options that bound workers and requests."""

from __future__ import annotations

from prefork.config import kinds
from prefork.config.option import Derived, grouped, option
from prefork.config.quantities import GIB, HIGHEST, KIB, LONGEST, MIB


@grouped
class Limits:
    """When a worker is replaced, and what a request may take."""

    limit_request: int = option(
        kinds.NUMBER, 65536, "A worker is replaced after this many requests; 0 means never", minimum=0, maximum=HIGHEST
    )
    limit_request_jitter: int = option(
        kinds.NUMBER,
        Derived(lambda values, _: values["limit_request"] // 10, "a tenth of `limit_request`"),
        "Up to this many requests are added at random, so that workers are not replaced together",
        minimum=0,
        maximum=HIGHEST,
    )
    limit_memory_soft: int = option(
        kinds.SIZE,
        2 * GIB,
        "A worker above this is replaced after its current request (shared memory counts in proportion); 0 means no limit",
    )
    limit_memory_hard: int = option(kinds.SIZE, 2 * GIB + GIB // 2, "A worker above this is killed at once; 0 means no limit")
    cgroup: str = option(
        kinds.CONTROL_GROUP,
        "auto",
        "The control group below which each worker gets one of its own, where the kernel kills it at 1.25 × `limit_memory_hard`; "
        "`auto` is that of the server, if it was delegated to it",
        applies="restart",
    )
    limit_memory_soft_gevent: int | None = option(
        kinds.SIZE, None, "The soft limit of WebSocket workers; not set means the same as `limit_memory_soft`"
    )
    limit_memory_hard_gevent: int | None = option(
        kinds.SIZE, None, "The hard limit of WebSocket workers; not set means the same as `limit_memory_hard`"
    )
    limit_time_cpu: float = option(
        kinds.TIME,
        60.0,
        "A worker whose request has used this much processor time is killed; 0 means no limit",
        maximum=LONGEST,
    )
    limit_time_real: float = option(
        kinds.TIME, 120.0, "A worker whose request has run for this long is killed; 0 means no limit", maximum=LONGEST
    )
    limit_time_real_routes: tuple[tuple[str, float], ...] = option(
        kinds.ROUTE_TIMES,
        (),
        "Routes with a `limit_time_real` of their own, such as `/report/*:600`; `*` stands for anything, the first match counts",
    )
    limit_time_worker: float = option(
        kinds.TIME, 0.0, "A worker is replaced at this age, or up to a tenth later; 0 means never", maximum=LONGEST
    )
    limit_time_real_cron: float | None = option(
        kinds.CRON_TIME,
        None,
        "A worker whose scheduled job has run for this long is killed; 0 means no limit; not set, or -1, means the same as "
        "`limit_time_real`",
        maximum=LONGEST,
    )
    limit_time_worker_cron: float = option(
        kinds.TIME,
        0.0,
        "A worker for scheduled jobs is replaced at this age, or up to a tenth later; 0 means never",
        maximum=LONGEST,
    )
    max_header_size: int = option(kinds.SIZE, 32 * KIB, "A request whose head is larger gets 431", minimum=KIB, maximum=64 * KIB)
    max_body_size: int = option(kinds.SIZE, 128 * MIB, "A request whose body is larger gets 413", minimum=0, maximum=1 << 50)
    response_spool_max: int = option(
        kinds.SIZE,
        GIB,
        "This much of a response may wait on disk, in `data_dir`, for a client that reads slowly; beyond it the worker waits",
        minimum=0,
        maximum=1 << 50,
    )
