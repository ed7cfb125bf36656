"""Reloads and deaths while people work: nobody is refused, and what was acknowledged is there."""

import threading
from collections.abc import Callable

import pytest
from tests.applications.story import assert_all_read, assert_books_agree, disturb

from prefork.testing import Load, Request

from .conftest import Serve
from .installation import Estate
from .person import Person, rpc_body

pytestmark = pytest.mark.timeout(400)
PATIENT = 5.0  # seconds that nobody may wait: a registry is loaded in about three


def reading(anna: Person) -> Callable[[int, int], Request]:
    """What people read, in turn."""
    search = rpc_body(model="res.partner", method="search_read", args=[[], ["name"]], kwargs={"limit": 5})
    requests = [
        anna.request("/web/login"),
        anna.request("/web/health"),
        anna.request("/web/static/img/favicon.ico"),
        anna.request("/probe/seen"),
        anna.request("/web/dataset/call_kw/res.partner/search_read", "POST", {"Content-Type": "application/json"}, search),
    ]
    return lambda thread, number: requests[(thread + number) % len(requests)]


def test_a_reload_under_load_serves_new_code_and_fails_nobody(serve: Serve):
    with serve(workers=2) as server:
        anna = Person(server.port)
        anna.log_in()
        with Load(server.url, reading(anna), threads=8) as load:
            load.wait(100)
            code = server.addons / "prefork_probe" / "controllers.py"
            code.write_text(code.read_text().replace('TEXT = "first"', 'TEXT = "second"'))
            server.reload()
            assert {anna.get("/probe/text") for _ in range(10)} == {b"second"}
            load.wait(100)
            outcome = load.stop()
        assert_all_read(outcome)
        assert outcome.reconnects == 0
        assert outcome.slowest < PATIENT, "somebody waited for a registry"


def test_kills_and_a_reload_lose_no_acknowledged_record(serve: Serve, estate: Estate):
    acknowledged: set[str] = set()
    unknown: set[str] = set()
    lock = threading.Lock()
    with serve(workers=3) as server:
        anna = Person(server.port)
        anna.log_in()
        stop = threading.Event()

        def enter(clerk: int) -> None:
            number = 0
            while not stop.is_set():
                name = f"clerk {clerk} record {(number := number + 1)}"
                body = rpc_body(model="res.partner", method="create", args=[{"name": name}], kwargs={})
                path = "/web/dataset/call_kw/res.partner/create"
                answer = anna.ask(path, "POST", {"Content-Type": "application/json"}, body)
                with lock:
                    (acknowledged if answer.status == 200 and b'"result"' in answer.body else unknown).add(name)

        clerks = [threading.Thread(target=enter, args=(clerk,)) for clerk in range(2)]
        with Load(server.url, reading_safely(anna), threads=3) as load:
            for clerk in clerks:
                clerk.start()
            try:
                disturb(server, lambda: load.wait(40))
            finally:
                stop.set()
                for clerk in clerks:
                    clerk.join(60)
            assert_all_read(load.stop())
        rows = estate.postgres.query("shop", "SELECT name FROM res_partner WHERE name LIKE 'clerk %'")
        assert_books_agree([name for (name,) in rows], acknowledged, unknown)
        assert len(acknowledged) > 20


def reading_safely(anna: Person) -> Callable[[int, int], Request]:
    """The requests that may be made once more when their worker is killed."""
    requests = [anna.request(path) for path in ("/web/login", "/probe/seen", "/web/health", "/web/static/img/favicon.ico")]
    return lambda thread, number: requests[(thread + number) % len(requests)]
