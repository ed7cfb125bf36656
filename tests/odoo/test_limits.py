"""What breaks one of Odoo's limits ends at it, and the incident names the request, the database and the user."""

import pytest
from facts import await_fact

from prefork.testing import Load

from .conftest import Serve
from .person import Person

pytestmark = pytest.mark.timeout(300)
MIB = 1 << 20
GENEROUS = {"limit_memory_soft": 2048 * MIB, "limit_memory_hard": 2560 * MIB, "limit_time_cpu": 60, "limit_time_real": 120}


@pytest.mark.parametrize(
    ("limit", "path", "status", "function"),
    [
        ({"limit_time_real": 6}, "/probe/sleep?seconds=60", 504, "in sleep"),
        ({"limit_time_cpu": 4}, "/probe/burn?seconds=60", 504, "in burn"),
        ({"limit_memory_hard": 400 * MIB, "limit_memory_soft": 300 * MIB}, "/probe/keep?mib=3000", 503, "in keep"),
    ],
    ids=["limit_time_real", "limit_time_cpu", "limit_memory_hard"],
)
def test_what_breaks_a_limit_ends_at_it_and_is_named(serve: Serve, limit: dict[str, int], path: str, status: int, function: str):
    with serve(**{**GENEROUS, **limit}) as server:
        anna = Person(server.port)
        uid = anna.log_in()["uid"]
        with Load(server.url, ["/probe/text"], threads=2) as load:
            load.wait(20)
            assert anna.ask(path).status == status
            found = server.incident()
            load.wait(20)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert found["cause"] == next(iter(limit))
        assert found["request"]["target"] == path
        assert found["request"]["tag"].startswith(f"shop user={uid} ")
        assert function in found["stacks"]
        server.wait_for("worker_ready", generation=1)
        assert anna.call("res.partner", "search_count", []) > 0, "the session outlives the worker"


def test_a_leak_is_recycled_after_its_request(serve: Serve):
    with serve(**{**GENEROUS, "limit_memory_soft": 250 * MIB}) as server:
        anna = Person(server.port)
        anna.log_in()
        pids = set(server.workers().values())
        mark = server.mark()
        assert anna.get("/probe/keep?mib=300") == b"kept"
        server.wait_for("worker_retiring", after=mark, timeout=30)
        await_fact(lambda: len(pids & set(server.tree())) == 1, "one of the first workers less", server)
        assert not server.events("incident_recorded")


def test_a_worker_is_replaced_after_its_number_of_requests(serve: Serve):
    with serve(**{**GENEROUS, "limit_request": 20}) as server, Load(server.url, ["/probe/worker"], threads=2) as load:
        load.wait(120)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert len(server.events("worker_retiring")) >= 2
        assert not server.events("worker_died")
