"""Workers that read the requests of kept-alive connections themselves, and what must hold all the same."""

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from facts import await_fact
from loans import lent
from offences import incident, limited
from punctuality import delayed, waits
from tests.process.wire import Gate
from validated import Validated

from prefork.testing import BrokenAnswer, Load, Outcome, Request, Server
from prefork.testing.client import Connection

APPS, LOOPED = Path(__file__).parent / "apps", Path(__file__).parent.parent / "process" / "apps"
METHODS = ("GET", "GET", "POST")
GUILTY = {
    "limit_time_real": (1, "/marked?seconds=30&file=", 504),
    "limit_time_cpu": (0.5, "/spin?seconds=30&file=", 504),
    "limit_memory_hard": ("300M", "/hog?limit=290&file=", 503),
}
Counted = Callable[[Server], Server]
Served = Callable[..., Server]
Borrowed = Callable[..., tuple[Server, list[Connection]]]
Looped = Callable[..., tuple[Server, list[Connection]]]
pytestmark = pytest.mark.story


@pytest.fixture(params=[("probe:app", APPS), ("looped:app", LOOPED)], ids=["wsgi", "asgi"])
def served(request: pytest.FixtureRequest, counted: Counted) -> Served:
    """Makes a server that lends connections, of an application of either kind."""
    app, place = request.param
    return lambda **options: counted(Server(app, app_dir=place, access_log=True, lend_connections=True, **options))


def test_each_request_is_in_the_access_log_once_whoever_has_read_it(served: Served) -> None:
    with served(workers=2) as server:
        with Load(server.url, threads=4) as load:
            load.wait(400)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        await_fact(lambda: len(server.events("access")) >= outcome.ok, "an entry for each request", server)
        entries = server.events("access")
        ids = [entry["request_id"] for entry in entries]
        assert len(entries) == outcome.ok
        assert len(set(ids)) == len(ids)
        assert lent(server), "nothing was lent"
        told = server.status()
        assert 0 < told["dispatcher"]["lent"] <= len(lent(server)), "but for those that the dispatcher has had to know of"
        assert told["lending"] == {"on": True, "obstacles": []}


def killed_four_times(server: Server, load: Load) -> Outcome:
    """What came of a load whose workers are killed one after the other."""
    for _ in range(4):
        load.wait(100)
        mark = server.mark()
        server.kill(min(server.workers()))
        server.wait_for("worker_died", after=mark)
        server.wait_for("worker_ready", after=mark)
    load.wait(100)
    return load.stop()


def test_kills_lose_no_request_of_a_connection_on_loan(served: Served) -> None:
    with served(workers=2) as server, Load(server.url, threads=4) as load:
        outcome = killed_four_times(server, load)
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed because a worker died"
        assert lent(server), "nothing was lent"


def test_who_connects_for_each_request_is_lent_to_workers_as_well_and_kills_lose_none() -> None:
    with Server("probe:app", app_dir=APPS, access_log=True, lend_connections=True, workers=2) as server:
        with Load(server.url, threads=4, new_connections=True) as load:
            outcome = killed_four_times(server, load)
        assert not outcome.failed, outcome.summary()
        await_fact(lambda: len(server.events("access")) >= outcome.ok, "an entry for each request", server)
        assert len(server.events("access")) == outcome.ok
        assert lent(server), "nothing was lent"
        # What only a receipt tells of is closed when the dispatcher has looked.
        await_fact(lambda: server.status()["dispatcher"]["connections"] == 0, "no connection that is left", server)


def test_who_retires_with_connections_on_loan_leaves(served: Served) -> None:
    """Many clients, so that some of them are on loan whenever a worker retires; and one that cannot go would stay for ever."""
    with served(workers=2, limit_request=400, limit_request_jitter=100) as server:
        with Load(server.url, threads=24) as load:
            for _ in range(6):
                mark = server.mark()
                server.wait_for("worker_retiring", after=mark, reason="its replacement is ready")
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert lent(server), "nothing was lent"
        await_fact(lambda: len(server.workers()) == 2, "two workers", server)
        assert not server.events("fault_contained")


def test_what_a_stopped_worker_has_on_loan_goes_on_elsewhere(served: Served) -> None:
    with served(workers=2) as server, ExitStack() as stack:
        kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(6)]
        for client in kept * 4:
            assert client.exchange(Request("/")).status == 200
        await_fact(lambda: lent(server), "a connection on loan", server)
        stopped = server.workers()["http.1"]
        os.kill(stopped, signal.SIGSTOP)
        for client in kept * 2:
            assert client.exchange(Request("/")).status == 200
        if server.workers().get("http.1") == stopped:  # it had nothing that it could have been killed for
            os.kill(stopped, signal.SIGCONT)


def test_so_does_what_a_reload_has_asked_it_for(served: Served) -> None:
    with served(workers=2) as server, ExitStack() as stack:
        kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(6)]
        for client in kept * 4:
            assert client.exchange(Request("/")).status == 200
        await_fact(lambda: lent(server), "a connection on loan", server)
        stopped = list(server.workers().values())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        server.reload()
        for client in kept * 2:
            assert client.exchange(Request("/")).status == 200
        for pid in stopped:
            with suppress(ProcessLookupError):  # one that did not begin what it had been given was killed for that
                os.kill(pid, signal.SIGCONT)


def test_what_is_on_loan_to_a_loop_that_is_held_up_goes_on_elsewhere(tmp_path: Path, counted: Counted) -> None:
    gate = Gate(tmp_path / "gate")
    with (
        counted(Server("looped:app", app_dir=LOOPED, workers=2, access_log=True, lend_connections=True)) as server,
        ThreadPoolExecutor(1) as thread,
        ExitStack() as stack,
    ):
        kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(8)]
        for client in kept * 4:
            assert client.exchange(Request("/echo")).status == 200
        await_fact(lambda: len(lent(server)) >= 8, "connections on loan", server)
        holding = thread.submit(kept[0].exchange, Request(f"/block?gate={gate.path}"))
        gate.await_entry()
        # What is handed over before that waits for the loop.
        await_fact(lambda: any(row["lag"] > 0.1 for row in server.status()["workers"]), "a last turn that is long ago", server)
        for client in kept[1:] * 3:
            assert client.exchange(Request("/echo")).status == 200
        gate.open()
        assert holding.result().status == 200


def test_what_was_recalled_from_a_loop_that_is_held_up_goes_on_elsewhere(tmp_path: Path) -> None:
    """A reload has all come home that was lent on the terms of before. The loop answers only when it looks again."""
    gate = Gate(tmp_path / "gate")
    with (
        Server("looped:app", app_dir=LOOPED, workers=2, access_log=True, lend_connections=True) as server,
        ThreadPoolExecutor(1) as thread,
        ExitStack() as stack,
    ):
        kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(8)]
        for client in kept * 4:
            assert client.exchange(Request("/echo")).status == 200
        await_fact(lambda: len(lent(server)) >= 8, "connections on loan", server)
        holding = thread.submit(kept[0].exchange, Request(f"/block?gate={gate.path}"))
        gate.await_entry()
        (held,) = (row["pid"] for row in server.status()["workers"] if row["in_flight"])
        server.reload()
        for client in kept[1:]:
            assert json.loads(client.exchange(Request("/echo")).body)["pid"] != held
        gate.open()
        assert holding.result().status == 200


def test_an_application_selects_as_ever_beside_a_thousand_connections_on_loan(many_descriptors: None) -> None:
    """What it opens gets the lowest number that is free, and select(2) knows those below 1,024."""
    with (
        Server("probe:app", app_dir=APPS, access_log=False, lend_connections=True, workers=1, limit_request=0) as server,
        ExitStack() as stack,
    ):
        kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(1100)]
        held = Path(f"/proc/{server.workers()['http.1']}/fd")

        def on_loan() -> bool:
            for client in kept:
                assert client.exchange(Request("/")).status == 200
            return len(os.listdir(held)) > 1024

        await_fact(on_loan, "a thousand connections on loan", server)
        for client in kept[::50]:
            assert json.loads(client.exchange(Request("/select")).body)["ready"] == 1


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many as may be had, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def borrowed(counted: Counted) -> Iterator[Borrowed]:
    """Makes a server of two workers, and six connections that they have on loan."""
    with ExitStack() as stack:

        def make(**options: object) -> tuple[Server, list[Connection]]:
            made = Validated("probe:app", app_dir=APPS, workers=2, access_log=True, lend_connections=True, **options)
            server = stack.enter_context(counted(made))
            kept = [stack.enter_context(Connection("127.0.0.1", server.port)) for _ in range(6)]
            await_loans(server, kept)
            return server, kept

        yield make


def await_loans(server: Server, kept: list[Connection]) -> None:
    """Ask on each connection until its worker reads what comes there."""
    targets = [f"/fast?{server.mark()}.{number}" for number in range(len(kept))]

    def read() -> bool:
        """Nothing is lent for a while where something has waited, as on a busy machine."""
        for client, target in zip(kept, targets, strict=True):
            assert client.exchange(Request(target)).status == 200
        return set(targets) <= {event["target"] for event in server.events("access") if "." in event["request_id"]}

    await_fact(read, "loans of all connections", server)


def until_read(server: Server, kept: list[Connection], told: Callable[[Connection, int], str]) -> None:
    """Tell it until its request, whose id it gives, was one that a worker has read: on a busy machine some are handed over."""
    for number in range(5):
        await_loans(server, kept)
        if "." in told(kept[0], number):
            return
    raise AssertionError("each of its requests was handed over")


def test_a_get_that_a_worker_has_read_is_retried_once(borrowed: Borrowed, tmp_path: Path) -> None:
    server, kept = borrowed()

    def told(client: Connection, number: int) -> str:
        answer = client.exchange(Request(f"/die?file={tmp_path}/{number}"))
        assert json.loads(answer.body)["attempt"] == 2
        assert len((tmp_path / str(number)).read_text().splitlines()) == 2
        return answer.headers["x-request-id"]

    until_read(server, kept, told)


def test_a_post_that_a_worker_has_read_gets_502_and_is_never_repeated(borrowed: Borrowed, tmp_path: Path) -> None:
    server, kept = borrowed()

    def told(client: Connection, number: int) -> str:
        answer = client.exchange(Request(f"/die?file={tmp_path}/{number}", "POST"))
        assert answer.status == 502
        assert len((tmp_path / str(number)).read_text().splitlines()) == 1
        return answer.headers["x-request-id"]

    until_read(server, kept, told)


def test_half_an_answer_to_what_a_worker_has_read_ends_in_a_broken_connection(borrowed: Borrowed) -> None:
    server, kept = borrowed()

    def told(client: Connection, number: int) -> str:
        mark = server.mark()
        with pytest.raises(BrokenAnswer) as broken:
            client.exchange(Request("/half"))
        assert broken.value.got.count(b"HTTP/1.1") == 1
        assert broken.value.got.endswith(b"\r\n\r\n0123456789")
        return str(server.wait_for("request_failed", after=mark, status=200)["request_id"])

    until_read(server, kept, told)


@pytest.mark.parametrize("limit", GUILTY)
def test_a_request_that_a_worker_has_read_ends_at_its_limit_and_nobody_else_notices(
    borrowed: Borrowed, tmp_path: Path, limit: str
) -> None:
    most, target, status = GUILTY[limit]
    server, kept = borrowed(**limited(**{limit: most}))

    def told(guilty: Connection, number: int) -> str:
        mark = server.mark()
        with ThreadPoolExecutor(1) as thread:
            asked = Request(f"{target}{tmp_path}/{number}", headers={"Accept": "application/json"})
            ending = thread.submit(guilty.exchange, asked)
            await_fact(lambda: "busy" in {row["state"] for row in server.status()["workers"]}, "it to have begun", server)
            while not ending.done():
                for client in kept[1:]:
                    assert client.exchange(Request("/fast")).status == 200
                    assert not client.stale(), "a kept-alive connection was closed"
        answer = ending.result()
        assert answer.status == status
        said = json.loads(answer.body)
        found = incident(server, said["incident"])
        assert (found["cause"], found["request"]["id"]) == (limit, said["request_id"])
        assert len(server.events("worker_died", after=mark)) == 1
        return str(said["request_id"])

    until_read(server, kept, told)


def in_flight(server: Server) -> int:
    return sum(row["in_flight"] for row in server.status()["workers"])


@pytest.fixture
def looped(counted: Counted) -> Iterator[Looped]:
    """Makes a server with one loop, and three connections that it has on loan."""
    with ExitStack() as stack:

        def make(**options: object) -> tuple[Server, list[Connection]]:
            made = Server("looped:app", app_dir=LOOPED, workers=1, access_log=True, lend_connections=True, **options)
            server = stack.enter_context(counted(made))
            kept = [stack.enter_context(Connection("127.0.0.1", server.port, 30.0)) for _ in range(3)]

            def on_loan() -> bool:
                """Nothing is lent for a while where something has waited, as on a busy machine."""
                for client in kept:
                    assert client.exchange(Request("/sleep?seconds=0.01")).status == 200
                return len(lent(server)) > len(kept)

            await_fact(on_loan, "connections on loan whose requests wait", server)
            return server, kept

        yield make


def test_a_death_repeats_what_is_safe_of_what_a_loop_has_read_and_one_incident_tells_of_all(looped: Looped, tmp_path: Path) -> None:
    server, kept = looped()
    gates = [Gate(tmp_path / name) for name in ("one", "other", "unsafe")]
    with ThreadPoolExecutor(3) as thread:
        answers = [
            thread.submit(client.exchange, Request(gate.target, method))
            for client, gate, method in zip(kept, gates, METHODS, strict=True)
        ]
        await_fact(lambda: in_flight(server) == 3, "three requests on the loop", server)
        server.kill("http.1")
        unsafe = answers[2].result()
        for gate in gates[:2]:
            gate.await_entry()
            gate.open()
        first, second, _ = [each.result() for each in answers]
    assert [json.loads(each.body)["prefork.attempt"] for each in (first, second)] == [2, 2]
    assert unsafe.status == 502
    file = Path(server.data_dir) / "incidents.jsonl"
    await_fact(file.exists, "an incident", server)
    incident = json.loads(file.read_text())
    assert sorted(request["method"] for request in incident["requests"]) == sorted(METHODS)
    assert incident["id"] in unsafe.body.decode()


def test_a_request_that_a_loop_has_read_ends_at_its_limit_and_its_neighbours_go_on(looped: Looped) -> None:
    server, kept = looped(limit_time_real=2)
    before = waits(server)
    with ThreadPoolExecutor(2) as thread:
        late = thread.submit(kept[0].exchange, Request("/sleep?seconds=20"))
        await_fact(lambda: in_flight(server) == 1, "it to have begun", server)
        assert kept[1].exchange(Request("/sleep?seconds=0.4")).status == 200
        assert late.result().status == 504
    assert 2.0 <= server.wait_for("request_cancelled")["seconds"] < 3.0 + delayed(server, before)
    assert not server.events("worker_died")
