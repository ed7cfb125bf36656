"""Odoo's long polls (up to 15): who may wait, and for how long."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from facts import await_fact

from .conftest import Serve
from .installation import OdooServer
from .person import Person

pytestmark = pytest.mark.timeout(300)
LONGEST = 50.0  # seconds that Odoo lets a poll wait
NEVER = 10**6  # the id of a notification that there will not be


def polled(anna: Person, port: int, **options: object) -> Any:
    """What a poll of hers is answered with."""
    caller = Person(port)
    caller.cookie = anna.cookie
    return caller.rpc("/longpolling/poll", channels=["probe"], last=NEVER, options=options)["result"]


def waiting(server: OdooServer) -> bool:
    """Whether a poll waits."""
    return bool(server.status()["websocket"]["connections"])


def test_a_poll_waits_without_a_worker_and_ends_as_odoos_does(serve: Serve):
    with serve(workers=1, websocket_workers=1) as server, ThreadPoolExecutor() as pool:
        anna = Person(server.port)
        anna.log_in()
        before = time.monotonic()
        poll = pool.submit(polled, anna, server.websocket_port)
        await_fact(lambda: waiting(server), "a poll", server)
        assert anna.get("/probe/text") == b"first"
        assert poll.result() == []
        assert LONGEST - 1 < time.monotonic() - before < LONGEST + 10


def test_a_reload_ends_polls_and_their_clients_ask_again(serve: Serve):
    with serve(websocket_workers=1) as server, ThreadPoolExecutor() as pool:
        anna = Person(server.port)
        anna.log_in()
        poll = pool.submit(polled, anna, server.port)
        await_fact(lambda: waiting(server), "a poll", server)
        server.reload()
        assert poll.result(20) == []


def test_a_look_is_answered_at_once(serve: Serve):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        assert polled(anna, server.port, peek=True)["notifications"] == []


def test_what_stands_below_the_path_is_answered_at_the_live_port(serve: Serve):
    with serve(websocket_workers=1) as server:
        assert json.loads(Person(server.websocket_port).get("/longpolling/health")) == {"status": "pass"}
