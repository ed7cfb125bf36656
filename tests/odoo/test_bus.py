"""Odoo's bus: what one person does reaches others at both ports, whatever happens to workers, the server and the database."""

import time
from collections.abc import Callable

import pytest
from facts import await_fact

from .conftest import Serve
from .ears import Ear, Polls, Socket
from .installation import Estate, Installation
from .person import Person

pytestmark = pytest.mark.timeout(300)
SOON = 1.0  # seconds in which what is published arrives

Listener = Callable[..., Ear]


@pytest.fixture
def ear(installation: Installation) -> Listener:
    """As the version has it."""
    return Socket if installation.version > 15 else Polls


def heard_first(listener: Ear, anna: Person) -> None:
    """Have it hear something, and leave."""
    anna.get("/probe/publish?text=first")
    with listener:
        listener.hear("first")


def test_what_is_published_arrives_at_both_ports_at_once(serve: Serve, ear: Listener):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        last = 0
        for port in (server.port, server.websocket_port):
            with ear(anna, port, last) as listener:
                anna.get("/probe/publish?text=first")
                listener.hear("first")
                before = time.monotonic()
                anna.get("/probe/publish?text=second")
                listener.hear("second")
                assert time.monotonic() - before < SOON
                last = listener.last
        assert not server.events("worker_died")


def test_what_is_missed_during_a_reload_is_heard_afterwards(serve: Serve, ear: Listener):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        listener = ear(anna)
        heard_first(listener, anna)
        server.reload()
        anna.get("/probe/publish?text=missed")
        with ear(anna, last=listener.last) as again:
            again.hear("missed")


def test_a_killed_worker_loses_connections_and_nothing_else(serve: Serve, ear: Listener):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        listener = ear(anna)
        heard_first(listener, anna)
        server.wait_for("worker_died", pid=server.kill("websocket.1"))
        anna.get("/probe/publish?text=missed")
        with ear(anna, last=listener.last) as again:
            again.hear("missed")
        assert anna.get("/probe/text") == b"first"


def test_who_listens_hears_on_after_the_database_was_away(serve: Serve, estate: Estate, ear: Listener):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with ear(anna) as listener:
            anna.get("/probe/publish?text=first")
            listener.hear("first")
            estate.postgres.restart()
            await_fact(lambda: anna.ask("/probe/publish?text=second").status == 200, "a database", server)
            listener.hear("second")
        assert not server.events("worker_died")
