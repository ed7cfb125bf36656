"""A FastAPI application as people have them, with a database, background tasks and WebSockets, through reloads and kills."""

import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from facts import await_fact, footprint
from tests.applications.environments import environment
from tests.applications.postgres import Postgres
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from prefork.testing import Load, Server

APPS = Path(__file__).parent / "apps"
RELOADS, KILLS, PAGES = 50, 10, 50
WORKERS, POOL = 2, 4
TABLES = "CREATE TABLE orders (reference text PRIMARY KEY); CREATE TABLE confirmed (reference text PRIMARY KEY)"
HUSH = 0.2  # seconds without a word after which a page says something itself


class Visitor(threading.Thread):
    """Does the same again and again, until it is told to stop."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.visit()

    def visit(self) -> None:
        raise NotImplementedError

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        self.join(60)
        assert not self.is_alive()


class Customer(Visitor):
    """Orders, and sends an order again until it is acknowledged. `failed` is what came instead."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(server)
        self.called = name
        self.acknowledged: list[str] = []
        self.failed: list[str] = []

    def visit(self) -> None:
        reference = f"{self.called}.{len(self.acknowledged)}"
        try:
            with urllib.request.urlopen(f"{self.server.url}/orders/{reference}", data=b"", timeout=60):
                self.acknowledged.append(reference)
        except (OSError, urllib.error.URLError) as error:
            self.failed.append(str(error))


class Page(Visitor):
    """Is open, hears what is confirmed, says something now and then, and opens again when it is closed. `ends` counts the codes."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.heard = 0
        self.ends: Counter[int] = Counter()

    def visit(self) -> None:
        try:
            with connect(f"ws://127.0.0.1:{self.server.port}/live", open_timeout=60, ping_interval=None) as socket:
                while not self.over.is_set():
                    self.listen(socket)
        except ConnectionClosed as closed:
            self.ends[closed.rcvd.code if closed.rcvd else 1006] += 1
        except (OSError, InvalidHandshake):
            self.ends[0] += 1

    def listen(self, socket) -> None:
        try:
            socket.recv(HUSH)
            self.heard += 1
        except TimeoutError:
            socket.send("still here")


@contextmanager
def till(place: Path) -> Iterator[tuple[Server, psycopg.Connection]]:
    """The server, and a connection to its database."""
    postgres = Postgres(Path(sys.prefix), place / "postgres")
    postgres.create()
    python = environment("frameworks") / "bin" / "python"
    with postgres, psycopg.connect(postgres.uri + "postgres", autocommit=True) as database:
        database.execute(TABLES)
        dsn = f"{postgres.uri}postgres?application_name=till"
        own = {"workers": WORKERS, "websocket_workers": 0, "websocket_farewell": "0.2s", "access_log": False}
        with Server("till:app", app_dir=APPS, python=python, env={"TILL": dsn}, **own) as server:
            yield server, database


def column(database: psycopg.Connection, table: str) -> set[str]:
    return {reference for (reference,) in database.execute(f"SELECT reference FROM {table}").fetchall()}


def held(database: psycopg.Connection) -> int:
    """Connections of the application."""
    (number,) = database.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'till'").fetchone()
    return number


@pytest.mark.story
@pytest.mark.timeout(1800)
def test_reloads_and_kills_cost_no_order_and_leave_nothing_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with till(tmp_path) as (server, database):

        def everybody_is_back() -> bool:
            return server.status()["websocket"]["connections"] == PAGES

        with ExitStack() as stack, Load(server.url, ("/orders",), threads=2) as load:
            customers = [stack.enter_context(Customer(server, name)) for name in ("ada", "tine")]
            pages = [stack.enter_context(Page(server)) for _ in range(PAGES)]
            await_fact(everybody_is_back, "all pages open", server)
            server.reload()
            before = footprint(server)
            for _ in range(RELOADS):
                server.reload()
                await_fact(everybody_is_back, "all pages open again", server, 60)
            placed = [reference for customer in customers for reference in customer.acknowledged]
            assert [customer.failed for customer in customers] == [[], []], "a reload costs no order"
            assert {code for page in pages for code in page.ends} == {1012}
            await_fact(lambda: column(database, "confirmed") >= set(placed), "all that was placed confirmed", server)
            for kind in ("master fds", "dispatcher fds", "threads"):
                await_fact(lambda kind=kind: footprint(server)[kind] <= before[kind], f"as few {kind} as before", server, 60)
            await_fact(lambda: held(database) <= WORKERS * POOL, "the pools of the last workers and no others", server, 60)
            await_fact(lambda: len(server.tree()) == WORKERS + 3, "master, dispatcher, template and workers", server)
            for _ in range(KILLS):
                mark = server.mark()
                server.kill(min(server.workers()))
                server.wait_for("worker_ready", after=mark, timeout=60)
                await_fact(everybody_is_back, "all pages open again", server, 60)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        placed = [reference for customer in customers for reference in customer.acknowledged]
        assert column(database, "orders") >= set(placed)
        assert sum(page.heard for page in pages) > 0
        figures = {"reloads": RELOADS + 1, "kills": KILLS, "orders": len(placed), "requests": outcome.ok}
        ends = sum((page.ends for page in pages), Counter())
        for name, figure in {**figures, "connections closed with 1012": ends[1012]}.items():
            record_property(name, figure)
