"""Odoo's WebSockets (from 16 on): who may connect, and how connections end."""

import json
from signal import SIGTERM
from typing import Any

import pytest
from facts import await_fact
from websockets.exceptions import InvalidStatus

from .conftest import Serve
from .ears import Socket, joined
from .installation import Estate
from .person import Person

pytestmark = pytest.mark.timeout(300)


def test_who_leaves_is_told_of_by_a_reload_and_a_stop(serve: Serve):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with Socket(anna) as first:
            server.reload()
            code, reason = first.ended()
            assert (code, list(json.loads(reason))) == (1012, ["retry"])
        last = Socket(anna)
        last.open()
        server.signal(SIGTERM)
        assert last.ended()[0] == 1012


def test_whose_session_has_ended_is_closed_with_odoos_code(serve: Serve):
    with serve(websocket_workers=1) as server:
        anna, berta = Person(server.port), Person(server.port)
        anna.log_in()
        berta.log_in()
        with Socket(anna) as socket:
            berta.get("/probe/publish?text=one")
            socket.hear("one")
            anna.rpc("/web/session/destroy")
            berta.get("/probe/publish?text=two")
            assert socket.ended()[0] == 4001
        server.wait_for("websocket_ended", code=4001)


def test_a_page_of_others_gets_nobodys_session(serve: Serve):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with pytest.raises(InvalidStatus) as refused:
            joined(anna, origin="https://evil.example")
        assert refused.value.response.status_code == 403
        assert "https://evil.example" in server.wait_for("websocket_ended", code=403)["reason"]
        with Socket(Person(server.port)) as stranger:  # a chat on another site has no session
            anna.get("/probe/publish?text=hello")
            stranger.hear("hello")


def test_who_says_too_much_is_let_go_as_odoo_does(serve: Serve):
    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with Socket(anna) as socket:
            for _ in range(30):
                socket.wire.send(json.dumps({"event_name": "nothing"}))
            assert socket.ended()[0] == 1013
        with Socket(anna) as socket:
            socket.wire.send("x" * (1 << 20) + "x")
            assert socket.ended()[0] == 1009


def test_presence_is_kept_by_odoo(serve: Serve, estate: Estate):
    def status() -> list[tuple[Any, ...]]:
        return estate.postgres.query("shop", "SELECT status FROM bus_presence")

    with serve(websocket_workers=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with Socket(anna) as socket:
            there = {"inactivity_period": 0, "im_status_ids_by_model": {}}
            socket.wire.send(json.dumps({"event_name": "update_presence", "data": there}))
            await_fact(lambda: status() == [("online",)], "somebody online", server)
        await_fact(lambda: status() == [("offline",)], "somebody offline", server)


def test_a_connection_is_renewed_when_odoo_says_so(serve: Serve):
    with serve(websocket_workers=1, websocket_keep_alive_timeout=1, websocket_ping=1) as server:
        anna = Person(server.port)
        anna.log_in()
        with Socket(anna) as socket:
            assert socket.ended()[0] == 4002


def test_what_stands_below_the_path_is_answered_at_the_websocket_port(serve: Serve):
    with serve(websocket_workers=1) as server:
        health = Person(server.websocket_port).get("/websocket/health")
        assert json.loads(health) == {"status": "pass"}
