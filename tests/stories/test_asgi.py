"""Workers with an event loop: many requests end with one, and nobody else notices what happens to them."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from punctuality import delayed, waits
from tests.process.wire import Gate

from prefork.testing import Load, Request, Server
from prefork.testing.client import Answer, Connection

APPS = Path(__file__).parent.parent / "process" / "apps"
Looped = Callable[..., Server]
pytestmark = pytest.mark.story


@pytest.fixture
def looped() -> Looped:
    """Makes a server of a plain ASGI application."""
    return lambda **options: Server("looped:app", app_dir=APPS, **{"access_log": False, "concurrency": 8, **options})


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[list[Gate]]:
    """Two of them; those that a test leaves closed are opened in the end."""
    made = [Gate(tmp_path / name) for name in ("one", "other")]
    yield made
    for gate in made:
        if gate.writer >= 0:
            gate.open()


def ask(server: Server, target: str, method: str = "GET") -> Answer:
    with Connection("127.0.0.1", server.port, 30.0) as connection:
        return connection.exchange(Request(target, method))


def in_flight(server: Server) -> list[int]:
    return [row["in_flight"] for row in server.status()["workers"]]


def held_up(server: Server) -> list[str]:
    """The workers whose loops have not turned for a while."""
    return [row["name"] for row in server.status()["workers"] if row["lag"] > 0.2]


def incidents(server: Server, count: int) -> list[dict[str, Any]]:
    """All that are kept, once there are so many."""
    file = Path(server.data_dir) / "incidents.jsonl"
    await_fact(lambda: file.exists() and len(file.read_text().splitlines()) >= count, f"{count} incidents", server)
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.story
def test_a_death_behind_hints_is_one_before_the_answer(looped: Looped) -> None:
    with looped(workers=2) as server, Connection("127.0.0.1", server.port, 30.0) as connection:
        assert connection.exchange(Request("/hint?dies=1")).status == 200
        assert server.wait_for("request_retried")["attempt"] == 2
        assert connection.exchange(Request("/hint")).status == 200
        refused = Request("/hint?dies=1", "POST", expect=frozenset({502}))
        assert connection.exchange(refused).status == 502


def test_kills_under_load_lose_no_request(looped: Looped) -> None:
    with looped(workers=2) as server, Load(server.url, ("/echo", "/sleep?seconds=0.01"), threads=6) as load:
        for _ in range(4):
            load.wait(100)
            mark = server.mark()
            server.kill(min(server.workers()))
            server.wait_for("worker_died", after=mark)
            server.wait_for("worker_ready", after=mark)
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed because a worker died"


@pytest.mark.story
def test_reloads_and_recycling_under_load_lose_no_request(looped: Looped) -> None:
    with looped(workers=2, limit_request=100) as server, Load(server.url, ("/echo", "/sleep?seconds=0.01"), threads=6) as load:
        for _ in range(3):
            load.wait(100)
            server.reload()
        load.wait(500)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0
        assert server.events("worker_retiring", reason="its replacement is ready")


def test_a_death_repeats_what_is_safe_and_one_incident_tells_of_all(
    looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]
) -> None:
    with looped(workers=1) as server:
        safe = [clients.submit(ask, server, gate.target) for gate in gates]
        unsafe = clients.submit(ask, server, "/sleep?seconds=30", "POST")
        await_fact(lambda: in_flight(server) == [3], "three requests on the loop", server)
        server.kill("http.1")
        assert unsafe.result().status == 502
        for gate in gates:
            gate.await_entry()
            gate.open()
        assert [each.result().status for each in safe] == [200, 200]
        assert {json.loads(each.result().body)["prefork.attempt"] for each in safe} == {2}
        (incident,) = incidents(server, 1)
        assert incident["request"] is None, "nobody knows whose fault it was"
        assert sorted(request["method"] for request in incident["requests"]) == ["GET", "GET", "POST"]
        assert {request["method"]: request["status"] for request in incident["requests"]} == {"GET": None, "POST": 502}
        assert incident["id"] in unsafe.result().body.decode()


def test_a_request_that_takes_too_long_is_cancelled_and_its_neighbours_go_on(
    looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]
) -> None:
    with looped(workers=1, limit_time_real=1, limit_time_real_routes="/hold:30") as server:
        neighbour = clients.submit(ask, server, gates[0].target)
        gates[0].await_entry()
        before = waits(server)
        assert ask(server, "/sleep?seconds=20").status == 504
        gates[0].open()
        assert neighbour.result().status == 200
        told = server.wait_for("request_cancelled")
        assert (told["method"], told["target"], told["worker"]) == ("GET", "/sleep?seconds=20", "http.1")
        assert "in do_sleep" in told["traceback"]
        assert 1.0 <= told["seconds"] < 2.0 + delayed(server, before)
        assert not server.events("worker_died")
        assert json.loads(ask(server, "/seen").body)["cancelled"] == 1


def test_one_that_does_not_heed_it_is_killed(looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]) -> None:
    read, write = gates
    with looped(workers=1, limit_time_real=1, limit_time_real_routes="/hold:30") as server:
        pid = server.workers()["http.1"]
        safe = clients.submit(ask, server, read.target)
        unsafe = clients.submit(ask, server, write.target, "POST")
        read.await_entry()
        write.await_entry()
        stubborn = clients.submit(ask, server, "/sleep?stubborn=1&seconds=30")
        assert stubborn.result().status == 504
        assert unsafe.result().status == 502
        read.await_entry()
        read.open()
        assert safe.result().status == 200
        assert json.loads(safe.result().body)["pid"] != pid
        (incident,) = incidents(server, 1)
        assert incident["cause"] == "limit_time_real"
        assert incident["request"]["target"] == "/sleep?stubborn=1&seconds=30"
        assert {request["target"] for request in incident["requests"]} == {
            "/sleep?stubborn=1&seconds=30",
            read.target,
            write.target,
        }
        assert [incident["stacks"].count(f"in do_{name}") for name in ("sleep", "hold")] == [1, 2], incident["stacks"]
        assert "Task GET /sleep?stubborn=1&seconds=30 (" in incident["stacks"]


def test_a_loop_that_is_held_up_for_too_long_is_killed_with_its_stack(looped: Looped) -> None:
    with looped(workers=2, limit_time_real=1) as server:
        assert ask(server, "/block?seconds=30").status == 504
        (incident,) = incidents(server, 1)
        assert incident["cause"] == "limit_time_real"
        assert "in do_block" in incident["stacks"]


def test_one_that_computes_for_too_long_finishes_and_its_worker_is_replaced(looped: Looped) -> None:
    with looped(workers=2, limit_time_cpu=0.3) as server:
        answer = ask(server, "/compute?seconds=1")
        assert answer.status == 200
        pid = json.loads(answer.body)["pid"]
        await_fact(lambda: pid not in server.workers().values() and len(server.workers()) == 2, "another worker", server)
        assert not server.events("worker_died")
        assert server.events("limit_reached")


def test_one_that_has_grown_finishes_all_it_has_and_is_replaced(looped: Looped, clients: ThreadPoolExecutor) -> None:
    with looped(workers=1, limit_memory_soft="80M", cgroup="none") as server:
        pid = server.workers()["http.1"]
        neighbour = clients.submit(ask, server, "/sleep?seconds=1.5", "POST")
        await_fact(lambda: in_flight(server) == [1], "it to have begun", server)
        answers = [ask(server, "/grow?mib=100&seconds=1", "POST"), neighbour.result()]
        assert [(answer.status, json.loads(answer.body)["pid"]) for answer in answers] == [(200, pid), (200, pid)]
        await_fact(lambda: pid not in server.workers().values() and len(server.workers()) == 1, "another worker", server)
        assert server.events("limit_reached")
        assert not server.events("worker_died")


def test_memory_ends_the_worker_and_its_replacement_takes_what_is_safe(looped: Looped, clients: ThreadPoolExecutor) -> None:
    with looped(workers=2, limit_memory_soft="80M", limit_memory_hard="120M", cgroup="none") as server:
        answer = ask(server, "/grow?mib=300&seconds=30", "POST")
        assert answer.status == 503
        (incident,) = incidents(server, 1)
        assert incident["cause"] == "limit_memory_hard"
        assert [request["target"] for request in incident["requests"]] == ["/grow?mib=300&seconds=30"]


def test_stacks_show_what_tasks_wait_for(looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]) -> None:
    with looped(workers=1) as server:
        held = clients.submit(ask, server, gates[0].target)
        gates[0].await_entry()
        stacks = server.ask({"command": "stacks"})["workers"][0]["stacks"]
        assert f"Task GET {gates[0].target} (" in stacks
        assert "in do_hold" in stacks
        gates[0].open()
        assert held.result().status == 200


def test_while_no_loop_turns_requests_wait_for_the_first_that_does(
    looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]
) -> None:
    with looped(workers=2) as server:
        holding: list[Future[Answer]] = []
        for gate in gates:
            holding.append(clients.submit(ask, server, f"/block?gate={gate.path}"))
            gate.await_entry()
            await_fact(lambda: len(held_up(server)) == len(holding), "one more loop that does not turn", server)
        waiting = clients.submit(ask, server, "/echo", "POST")
        await_fact(lambda: server.status()["queue"]["length"] == 1, "a request that waits", server)
        gates[1].open()
        pids = [json.loads(each.result().body)["pid"] for each in (holding[1], waiting)]
        gates[0].open()
        pids.append(json.loads(holding[0].result().body)["pid"])
        assert pids[0] == pids[1], "who turned first has served it"
        assert pids[2] != pids[0], "the second one went to a loop that turned"


def test_what_a_stopped_worker_has_not_begun_moves_on(looped: Looped, clients: ThreadPoolExecutor, gates: list[Gate]) -> None:
    with looped(workers=1) as server:
        held = clients.submit(ask, server, gates[0].target)
        gates[0].await_entry()
        os.kill(server.workers()["http.1"], signal.SIGSTOP)
        late = clients.submit(ask, server, "/echo", "POST")
        assert late.result().status == 200
        gates[0].await_entry()
        gates[0].open()
        assert held.result().status == 200
        assert server.events("worker_stuck")
