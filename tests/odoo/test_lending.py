"""Odoo whose workers read the requests of kept-alive connections themselves (`lend_connections`)."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from facts import await_fact

from prefork.testing import Answer, Connection, Load, Request

from .conftest import Serve
from .installation import OdooServer
from .person import PATIENCE, Person

REPORT = "/report/pdf/base.report_irmodeloverview/1"

pytestmark = pytest.mark.timeout(300)


def lent(server: OdooServer) -> list[dict[str, Any]]:
    """The access lines of requests that workers have read themselves, by the form of their ids."""
    return [event for event in server.events("access") if "." in event["request_id"]]


def ask(connection: Connection, request: Request) -> Answer:
    """A successful answer over a connection that stays."""
    answer = connection.exchange(request)
    assert answer.status == 200, answer
    return answer


def go_on(connection: Connection, request: Request, times: int) -> list[bytes]:
    """What somebody gets who asks again and again over one connection."""
    return [ask(connection, request).body for _ in range(times)]


def test_as_many_reports_as_workers_are_made_beside_people_who_stay_connected(serve: Serve):
    """Each report asks the server itself for styles and images: they and the people need a worker that no report has."""
    with serve(workers=2, lend_connections=True) as server, ExitStack() as stack:
        anna = Person(server.port)
        anna.log_in()
        anna.get(REPORT)  # the first one compiles the assets
        connections = [stack.enter_context(Connection("127.0.0.1", server.port, PATIENCE)) for _ in range(7)]
        page, report = anna.request("/probe/seen"), anna.request(REPORT)
        for connection in connections:
            go_on(connection, page, 4)
        await_fact(lambda: lent(server), "a connection on loan", server)
        with ThreadPoolExecutor(len(connections)) as pool:
            people = [pool.submit(go_on, connection, page, 50) for connection in connections[3:]]
            for pdf in [pool.submit(go_on, connection, report, 3) for connection in connections[:3]]:
                assert all(each.startswith(b"%PDF-") for each in pdf.result())
            for seen in people:
                assert {json.loads(each)["database"] for each in seen.result()} == {"shop"}
        assert not any(event["target"] == REPORT for event in lent(server)), "a lane's requests are never on loan"
        assert not server.events("worker_died")


def test_whatever_comes_on_a_connection_on_loan_is_answered_by_whom_it_is_for(serve: Serve):
    content = os.urandom(1 << 20)
    with serve(workers=1, x_sendfile=True, lend_connections=True) as server:
        anna = Person(server.port)
        uid = anna.log_in()["uid"]
        anna.upload("plan.bin", content)
        (found,) = anna.call("ir.attachment", "search_read", [["name", "=", "plan.bin"]], ["id"])
        page, file = anna.request("/probe/seen"), anna.request(f"/web/content/{found['id']}?download=true")
        with Connection("127.0.0.1", server.port, PATIENCE) as connection:
            for _ in range(4):
                for _ in range(3):
                    assert json.loads(ask(connection, page).body)["user"] == uid
                assert b"pass" in ask(connection, anna.request("/web/health")).body
                assert ask(connection, anna.request("/prefork_probe/static/probe.txt")).body == b"the probe's static file\n"
                assert ask(connection, file).body == content
        await_fact(lambda: len(server.events("access", target="/probe/seen")) == 12, "an access line for each request", server)
        read = lent(server)
        new = "/web/login"  # asked for over a connection of its own, which is lent before its first request
        assert {event["target"] for event in read} <= {"/probe/seen", file.target, new}
        pages = [event for event in read if event["target"] == "/probe/seen"]
        assert pages, "nothing was lent"
        assert all(event["tag"].startswith(f"shop user={uid} ") and event["queries"] > 0 for event in pages)


def test_what_a_worker_has_read_itself_and_breaks_a_limit_is_named_and_the_others_go_on(serve: Serve):
    with serve(workers=2, limit_time_real=6, lend_connections=True) as server, ThreadPoolExecutor(1) as pool:
        anna = Person(server.port)
        uid = anna.log_in()["uid"]
        with Connection("127.0.0.1", server.port, PATIENCE) as connection:
            for _ in range(4):
                ask(connection, anna.request("/probe/seen"))
            held = pool.submit(connection.exchange, anna.request("/probe/sleep?seconds=60"))
            await_fact(lambda: "busy" in [worker["state"] for worker in server.status()["workers"]], "a busy worker", server)
            with Load(server.url, ["/probe/text"], threads=4) as load:
                assert held.result().status == 504
                load.wait(20)
                outcome = load.stop()
            assert json.loads(ask(connection, anna.request("/probe/seen")).body)["user"] == uid
        assert not outcome.failed, outcome.summary()
        request = server.incident()["request"]
        assert "." in request["id"], "it was not on loan"
        assert request["target"] == "/probe/sleep?seconds=60"
        assert request["tag"].startswith(f"shop user={uid} ")
