"""What a server tells Prometheus: the text exposition format 0.0.4 from the answer to the command `metrics`. Pure.

Names and units follow Prometheus' conventions. Labels are bounded (pools, states, lanes, learned routes), and no series is about
one worker: nothing is left behind when that is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Told = Mapping[str, Any]
    Labels = dict[str, str]
    Sample = tuple[Labels, float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
POOLS = ("http", "cron", "websocket")
SERVER_STATES = ("starting", "running", "reloading", "stopping")
WORKER_STATES = ("forking", "booting", "idle", "busy", "waiting", "offline", "retiring")


class Family(NamedTuple):
    """A metric: its name, `gauge`, `counter` or `histogram`, what it means, and its samples in what the server tells.

    The sample of a histogram has a distribution (`below`, `count`, `sum`) in the place of its value.
    """

    name: str
    kind: str
    help: str
    samples: Callable[[Told], Iterable[tuple[Labels, Any]]]


def exposition(told: Told) -> str:
    """All families of a server that has answered the command `metrics`."""
    return "".join(f"{line}\n" for family in FAMILIES for line in lines(family, told))


def lines(family: Family, told: Told) -> Iterator[str]:
    """One family; nothing where it has no samples."""
    samples = list(family.samples(told))
    if samples:
        yield f"# HELP {family.name} {family.help}"
        yield f"# TYPE {family.name} {family.kind}"
    for labels, value in samples:
        if family.kind == "histogram":
            yield from buckets(family.name, labels, value)
        else:
            yield f"{family.name}{braced(labels)} {number(value)}"


def buckets(name: str, labels: Labels, told: Told) -> Iterator[str]:
    """One histogram: how many were at most so long, all of them, and their sum."""
    for mark, count in told["below"]:
        yield f"{name}_bucket{braced({**labels, 'le': number(mark)})} {count}"
    yield f"{name}_bucket{braced({**labels, 'le': '+Inf'})} {told['count']}"
    yield f"{name}_sum{braced(labels)} {number(told['sum'])}"
    yield f"{name}_count{braced(labels)} {told['count']}"


def braced(labels: Labels) -> str:
    """Labels as they are written."""
    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def escaped(text: str) -> str:
    """A label's value between its quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A value; whole ones without a point."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


# Where the samples are.


def one(*path: str) -> Callable[[Told], Iterable[Sample]]:
    """A single value at this path."""

    def sample(told: Told) -> Iterator[Sample]:
        for key in path:
            told = told[key]
        yield {}, float(told)  # type: ignore[arg-type]  # the end of the path is a number

    return sample


def info(told: Told) -> Iterator[Sample]:
    """Which server it is."""
    yield {"version": told["version"], "app": str(told["app"])}, 1


def states(told: Told) -> Iterator[Sample]:
    """A one for the state that it is in."""
    yield from (({"state": state}, state == told["state"]) for state in SERVER_STATES)


def capacity(told: Told) -> Iterator[Sample]:
    """A worker with an event loop has several requests at once."""
    yield {}, told["ready"] * max(1, told["concurrency"] or 0)


def classes(told: Told) -> Iterator[Sample]:
    """Answers by the first digit of their status."""
    yield from (({"class": name}, count) for name, count in told["dispatcher"]["classes"].items())


def processor(told: Told) -> Iterator[Sample]:
    """What the dispatcher has used, while there is one."""
    if (seconds := told["dispatcher"]["cpu"]) is not None:
        yield {}, seconds


def places(key: str) -> Callable[[Told], Iterable[Sample]]:
    """`wanted` or `ready` of each pool."""
    return lambda told: (({"pool": pool}, told[key] if pool == "http" else told[pool][key]) for pool in POOLS)


def workers(told: Told) -> Iterator[Sample]:
    """How many workers of each pool do what."""
    for pool in POOLS:
        doing = [row["state"] for row in told["workers"] if row["pool"] == pool]
        yield from (({"pool": pool, "state": state}, doing.count(state)) for state in WORKER_STATES)


def memory(of: Callable[[list[int]], int]) -> Callable[[Told], Iterable[Sample]]:
    """What the workers of each pool have in memory. The threads of one process share what they have."""

    def sample(told: Told) -> Iterator[Sample]:
        for pool in POOLS:
            held = {row["pid"]: row["memory"] for row in told["workers"] if row["pool"] == pool and row["memory"] is not None}
            yield {"pool": pool}, of(list(held.values()) or [0])

    return sample


def lanes(key: str) -> Callable[[Told], Iterable[Sample]]:
    """A figure of each lane."""
    return lambda told: (({"lane": row["name"]}, row[key]) for row in told["lanes"])


def lane_times(key: str) -> Callable[[Told], Iterable[tuple[Labels, Told]]]:
    """A distribution of each lane."""
    return lambda told: (({"lane": row["name"]}, row[key]) for row in told["distributions"]["lanes"])


def routes(key: str) -> Callable[[Told], Iterable[tuple[Labels, Any]]]:
    """A figure, or a distribution, of each route."""
    return lambda told: (({"method": row["method"], "route": row["path"]}, row[key]) for row in told["distributions"]["routes"])


def some_routes(key: str) -> Callable[[Told], Iterable[Sample]]:
    """A figure of the routes that have it: only a host that counts queries knows them."""
    return lambda told: (sample for sample in routes(key)(told) if sample[1])


GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"
FAMILIES = (
    Family("prefork_info", GAUGE, "The server; always 1.", info),
    Family("prefork_state", GAUGE, "1 for the state that the server is in.", states),
    Family("prefork_uptime_seconds", GAUGE, "Seconds since the server's start.", one("uptime")),
    Family("prefork_generation", GAUGE, "The loading of the application's code that serves.", one("generation")),
    Family("prefork_workers_wanted", GAUGE, "Workers that there should be.", places("wanted")),
    Family("prefork_workers_ready", GAUGE, "Workers that are ready, at work or not.", places("ready")),
    Family("prefork_workers", GAUGE, "Workers by what they do.", workers),
    Family("prefork_workers_memory_bytes", GAUGE, "Memory of a pool's workers together, in proportion.", memory(sum)),
    Family("prefork_worker_memory_max_bytes", GAUGE, "Memory of a pool's largest worker, in proportion.", memory(max)),
    Family("prefork_capacity", GAUGE, "Requests that the HTTP workers that are ready can have at once.", capacity),
    Family("prefork_workers_in_flight", GAUGE, "HTTP workers that have a request, once for each.", one("occupied", "workers")),
    Family(
        "prefork_workers_in_flight_seconds_total",
        COUNTER,
        "Seconds that HTTP workers have had requests, all together.",
        one("occupied", "seconds"),
    ),
    Family("prefork_connections", GAUGE, "Connections of clients that the dispatcher has.", one("dispatcher", "connections")),
    Family(
        "prefork_websocket_connections",
        GAUGE,
        "WebSockets and other connections that workers keep.",
        one("websocket", "connections"),
    ),
    Family("prefork_requests_total", COUNTER, "Requests that were answered.", one("dispatcher", "requests")),
    Family("prefork_answers_total", COUNTER, "Answers by the class of their status.", classes),
    Family("prefork_requests_lent_total", COUNTER, "Requests that workers have read themselves.", one("dispatcher", "lent")),
    Family("prefork_dispatcher_cpu_seconds_total", COUNTER, "Processor time of the dispatcher since its start.", processor),
    Family("prefork_requests_retried_total", COUNTER, "Requests that went to another worker.", one("dispatcher", "retried")),
    Family("prefork_requests_failed_total", COUNTER, "Requests that no worker answered.", one("dispatcher", "failed")),
    Family("prefork_requests_refused_total", COUNTER, "Requests that could not be read.", one("dispatcher", "refused")),
    Family("prefork_requests_abandoned_total", COUNTER, "Requests whose clients did not wait.", one("dispatcher", "abandoned")),
    Family("prefork_queue_places", GAUGE, "Requests that may wait in each lane.", one("queue", "size")),
    Family("prefork_queue_length", GAUGE, "Requests that wait for a worker.", lanes("waiting")),
    Family("prefork_queue_oldest_seconds", GAUGE, "How long the first of them has waited.", lanes("oldest")),
    Family("prefork_lane_in_flight", GAUGE, "Workers that have a request of the lane.", lanes("working")),
    Family("prefork_lane_arrivals_total", COUNTER, "Requests that have come for a worker.", lanes("arrived")),
    Family("prefork_lane_shed_total", COUNTER, "Requests that were sent away because too many waited.", lanes("shed")),
    Family("prefork_wait_seconds", HISTOGRAM, "How long requests waited for a worker.", lane_times("wait")),
    Family("prefork_service_seconds", HISTOGRAM, "How long workers had requests.", lane_times("service")),
    Family("prefork_route_requests_total", COUNTER, "Requests of the route, errors included.", routes("requests")),
    Family("prefork_route_errors_total", COUNTER, "Answers of 500 or more, lost workers, requests sent away.", routes("errors")),
    Family("prefork_route_cpu_seconds_total", COUNTER, "Processor time of the route's requests.", routes("cpu")),
    Family("prefork_route_response_bytes_total", COUNTER, "Bytes of the route's answers.", routes("bytes")),
    Family("prefork_route_queries_total", COUNTER, "Queries of the route's requests, where counted.", some_routes("queries")),
    Family("prefork_route_sql_seconds_total", COUNTER, "Time of these queries.", some_routes("sql")),
    Family("prefork_route_wait_seconds", HISTOGRAM, "How long the route's requests waited.", routes("wait")),
    Family("prefork_route_service_seconds", HISTOGRAM, "How long workers had the route's requests.", routes("service")),
    Family("prefork_incidents_total", COUNTER, "Workers that were lost, or code that could not load.", one("incidents")),
    Family(
        "prefork_crash_loop",
        GAUGE,
        "1 while starts wait because others failed.",
        lambda told: [({}, told["crash_loop"] is not None)],
    ),
)
