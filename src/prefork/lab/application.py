"""The application of the lab: orders. Who gets an order's number can be sure of its row, its job and its message on the bus.

Runs in the application's interpreter. A connection that broke is made again: reading is tried until it works, writing only where
nothing was sent yet.
"""

from __future__ import annotations

import json
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg

from prefork import bus, sessions
from prefork.jobs.declaration import job
from prefork.store.connection import Unavailable, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse

READING = 20.0  # seconds that a page tries to read
PAUSE = 0.1  # seconds between two attempts
PAGE = 0.01  # seconds of a processor that a page takes
CHANNEL = "orders"
SLOW = "SELECT max(key) FROM orders, pg_sleep(0.5)"
LEDGER = """
SELECT json_build_object(
    'orders', (SELECT coalesce(json_agg(key), '[]') FROM orders WHERE key >= %(first)s),
    'fulfilled', (SELECT coalesce(json_agg(key), '[]') FROM fulfilled WHERE key >= %(first)s),
    'lost', (SELECT count(*) FROM prefork.history WHERE outcome <> 'done' AND ended_at >= to_timestamp(%(first)s / 1e6))
)
"""


@job
def fulfil(key: int) -> None:
    """The work that follows from an order."""
    with shared.use() as connection:
        connection.execute("INSERT INTO fulfilled (key) VALUES (%s)", [key])


@job
def toil(seconds: float) -> None:
    """A report that keeps a processor busy for so long, whatever share of it there is."""
    compute(seconds, time.monotonic)


def authorize(_: dict[str, Any], channels: frozenset[str]) -> frozenset[str]:
    """Everybody hears of orders."""
    return channels & {CHANNEL}


def application(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    """POST /orders?KEY writes one; GET /last, /slow and /page read the last, /visit counts, /ledger?KEY lists all from there on."""
    path, key = environ["PATH_INFO"], environ["QUERY_STRING"]
    try:
        if environ["REQUEST_METHOD"] == "POST":
            return answer(start, "200 OK", order(int(key)))
        if path == "/visit":
            page: Iterable[bytes] = visited()(environ, start)
            return page
        if path == "/ledger":
            return answer(start, "200 OK", read(LEDGER, {"first": int(key)}))
        if path == "/page":
            compute(PAGE, time.thread_time)
        return answer(start, "200 OK", read(SLOW if path == "/slow" else "SELECT max(key) FROM orders"))
    except (psycopg.Error, Unavailable) as error:
        return answer(start, "503 Service Unavailable", {"error": str(error).strip()})


@cache
def visited() -> Any:
    """GET /visit says which visit of its visitor it is. Made in a server, which knows where sessions are."""

    def visit(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        session = environ["prefork.session"]
        session["visits"] = session.get("visits", 0) + 1
        return answer(start, "200 OK", session["visits"])

    return sessions.middleware(visit)


def order(key: int) -> int:
    """Take an order: row, job and message in one transaction."""
    with shared.use() as connection, connection.transaction():
        connection.execute("INSERT INTO orders (key) VALUES (%s)", [key])
        fulfil.defer(key, connection=connection)
        bus.publish(connection, CHANNEL, key)
    return key


def read(query: str, values: dict[str, Any] | None = None) -> Any:
    """The one value of a query, tried again while the database is elsewhere."""
    until = time.monotonic() + READING
    while True:
        try:
            with shared.use() as connection:
                row = connection.execute(query, values).fetchone()
                return row[0] if row else None
        except (psycopg.OperationalError, Unavailable):
            if time.monotonic() > until:
                raise
            shared.close()
            time.sleep(PAUSE)


def compute(seconds: float, clock: Callable[[], float]) -> None:
    """Do nothing else for so many seconds of a clock."""
    until = clock() + seconds
    while clock() < until:
        sum(range(1000))


def answer(start: StartResponse, status: str, told: Any) -> Iterable[bytes]:
    """JSON."""
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
