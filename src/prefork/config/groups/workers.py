"""The options of the workers' number and life."""

from __future__ import annotations

from prefork.config import kinds
from prefork.config.kinds import AUTO
from prefork.config.machine import read_machine
from prefork.config.option import Derived, grouped, option
from prefork.config.quantities import LONGEST, SHORTEST
from prefork.sizing.plans import PLANS

USUAL = 2  # HTTP workers
MOST = 512  # of a pool
USUAL_CONCURRENCY = 128  # requests on an event loop
MOST_PLACES = 2048  # requests that are served at the same time: the scoreboard has room for them, and for as many again


def usual(plan: str | None) -> int:
    """The HTTP workers that a server has where nobody says how many."""
    return min(USUAL, PLANS[plan or "pro"] or USUAL)


def most_that_run(plan: str | None) -> int:
    """More HTTP workers than this wait for processors, or are not included."""
    return min(MOST, round(4 * read_machine().cpus) + 1, PLANS[plan or "pro"] or MOST)


@grouped
class Workers:
    """How many processes of each kind there are, and what starts them."""

    plan: str | None = option(
        kinds.PLAN,
        None,
        "The plan that the server is run under, and so the most HTTP workers: free 1, base 2, pro and agency any number",
    )
    workers: int | str = option(
        kinds.COUNT,
        Derived(lambda values, _: usual(values["plan"]), "2, or what `plan` allows"),
        "HTTP workers, each serving one request at a time, or `concurrency` of them where the application is of ASGI; "
        "0 is threaded mode, for development: one process with `threads`; "
        "`auto`: from `workers_min` to `workers_max`, as many as requests need",
        minimum=0,
        maximum=MOST,
    )
    workers_min: int = option(
        kinds.NUMBER,
        Derived(lambda values, _: min(usual(values["plan"]), values["workers_max"] or USUAL), "2, or what `plan` allows"),
        "With `workers = auto`: the fewest HTTP workers",
        minimum=1,
        maximum=MOST,
    )
    workers_max: int | None = option(
        kinds.NUMBER,
        Derived(
            lambda values, _: most_that_run(values["plan"]) if values["workers"] == AUTO else None,
            "with `auto` CPUs × 4 + 1, or what `plan` allows",
        ),
        "With `workers = auto`: the most HTTP workers; memory, `plan` and `database_connections` may allow fewer",
        minimum=1,
        maximum=MOST,
    )
    database_connections: int | None = option(
        kinds.NUMBER,
        None,
        "Connections to the database that this server may open in all. `workers = auto` and `prefork advise` stay within them; "
        "each worker counts with `db_maxconn`, or with 2 where that is not set",
        minimum=1,
        maximum=1_000_000,
    )
    # A browser opens six connections; one message hands the pairs of all threads to their process.
    threads: int = option(kinds.NUMBER, 8, "Requests served at a time in threaded mode (`workers = 0`)", minimum=1, maximum=32)
    # One message hands the pairs of all places to their process: the kernel takes 253 descriptors.
    concurrency: int | None = option(
        kinds.NUMBER,
        None,
        f"Requests that a worker of an ASGI application serves at a time, on one event loop; not set means {USUAL_CONCURRENCY}, or "
        f"with more than {MOST_PLACES // USUAL_CONCURRENCY} workers as many as make {MOST_PLACES} in all. For WSGI it is one",
        minimum=1,
        maximum=240,
    )
    max_cron_threads: int = option(
        kinds.NUMBER,
        1,
        "Workers for scheduled jobs, each running one at a time, where there are jobs; they come on top of `workers`",
        minimum=0,
        maximum=MOST,
    )
    websocket_workers: int = option(
        kinds.NUMBER,
        Derived(lambda values, _: int(values["http_enable"]), "1; none without HTTP"),
        "Workers for WebSocket and long-polling connections, each with thousands of them; they come on top of `workers`, and a "
        "node may have nothing else. With 0 HTTP workers keep the WebSockets of an ASGI application",
        minimum=0,
        maximum=MOST,
    )
    boot_timeout: float = option(
        kinds.TIME, 120.0, "A worker that is not ready after this time counts as failed", minimum=SHORTEST, maximum=LONGEST
    )
    graceful_timeout: float = option(
        kinds.TIME, 60.0, "At a stop, requests still running after this time are cut", minimum=0, maximum=LONGEST
    )
    graceful_timeout_cron: float = option(
        kinds.TIME,
        Derived(lambda values, _: values["graceful_timeout"], "that of `graceful_timeout`"),
        "At a stop, a job still running after this time is killed",
        minimum=0,
        maximum=LONGEST,
    )
    listen_when_ready: bool = option(
        kinds.SWITCH,
        False,
        "Connections are refused until the first worker is ready, so that a proxy goes to another node meanwhile; else they wait",
        applies="restart",
    )
    drain_delay: float = option(
        kinds.TIME,
        0.0,
        "At a stop, readiness is denied for this time before connections are refused, so that load balancers notice",
        minimum=0,
        maximum=LONGEST,
    )
