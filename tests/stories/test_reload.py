"""A reload drops nothing, and keeps the old code when the new one fails."""

import json
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from facts import await_fact, footprint

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Changing = Callable[..., Server]


def version(server: Server) -> str:
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(Request("/")).body.decode()


@pytest.mark.story
@pytest.mark.parametrize("new_connections", [False, True], ids=["kept-alive", "new connections"])
def test_a_reload_under_load_loses_nothing(changing: Changing, code, tmp_path: Path, new_connections: bool) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    with (
        changing(workers=2) as server,
        Load(server.url, threads=4, new_connections=new_connections) as load,
        ThreadPoolExecutor(1) as operator,
    ):
        old = set(server.workers().values())
        load.wait(100)
        code.write_held("two", begun, gate)
        reload = operator.submit(server.reload)
        await_fact(begun.exists, "an import", server)
        load.wait(100)
        assert not reload.done(), "nobody waits for the import"
        gate.touch()
        assert reload.result()["generation"] == 2
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0
        assert version(server) == "two"
        assert not old & set(server.workers().values())


@pytest.mark.story
def test_a_reload_by_signal_reads_the_file_again(changing: Changing, code) -> None:
    with changing(workers=2) as server:
        code.write("two")
        server.configure(workers=3, http_port=server.port + 1)
        server.signal(signal.SIGHUP)
        assert "http_port" in server.wait_for("restart_needed")["options"]
        server.wait_for("reload_done")
        assert len(server.workers()) == 3
        assert version(server) == "two"


@pytest.mark.story
@pytest.mark.parametrize("preload", ["true", "false"])
def test_code_that_fails_to_import_is_refused(changing: Changing, code, preload: str) -> None:
    with changing(workers=2, preload=preload) as server, Load(server.url, threads=2) as load:
        old = server.workers()
        code.write("two", before="import no_such_module_anywhere")
        answer = server.ask({"command": "reload"})
        assert not answer["ok"]
        assert "no_such_module_anywhere" in answer["traceback"]
        server.wait_for("reload_failed")
        assert bool(server.events("loading_recorded")) == (preload == "true"), "otherwise it is a worker that cannot start"
        assert version(server) == "one"
        assert set(old.values()) & set(server.workers().values()), "the old workers were replaced"
        code.write("three")
        assert server.reload()["ok"]
        assert version(server) == "three"
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


@pytest.mark.parametrize("preload", ["true", "false"])
def test_code_that_does_not_get_ready_is_refused(changing: Changing, code, preload: str) -> None:
    with changing(workers=2, preload=preload) as server, Load(server.url, threads=2) as load:
        code.write("two", before="import time; time.sleep(60)")
        server.configure(boot_timeout=1.5)
        answer = server.ask({"command": "reload"})
        assert not answer["ok"]
        assert "boot_timeout" in answer["error"] + str(answer["traceback"])
        assert version(server) == "one"
        code.write("three")
        server.configure(boot_timeout=None)  # what gets ready may take its time
        assert server.reload()["ok"]
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


def test_a_broken_file_is_refused_with_all_its_problems(changing: Changing) -> None:
    with changing(workers=2) as server:
        server.configure(wrokers=3, queue_size="many")
        answer = server.ask({"command": "reload"})
        assert not answer["ok"]
        assert "wrokers" in answer["traceback"]
        assert "queue_size" in answer["traceback"]
        assert version(server) == "one"
        assert server.status()["generation"] == 1


def test_a_request_under_way_is_finished_by_the_old_code(probe: Callable[..., Server], tmp_path: Path) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    with probe(workers=2) as server:
        old = set(server.workers().values())
        results = []

        def long_request() -> None:
            with Connection("127.0.0.1", server.port) as connection:
                results.append(connection.exchange(Request(f"/held?file={begun}&gate={gate}")))

        client = threading.Thread(target=long_request)
        client.start()
        await_fact(begun.exists, "a request under way", server)
        server.reload()
        gate.touch()
        client.join(10)
        assert results[0].status == 200
        assert json.loads(results[0].body)["pid"] in old


def test_reloads_that_come_during_a_reload_get_one_of_their_own(changing: Changing, code) -> None:
    with changing(workers=1) as server:
        code.write("two", before="import time; time.sleep(0.5)")
        answers = []
        clients = [threading.Thread(target=lambda: answers.append(server.reload())) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(30)
        assert len(answers) == 4
        assert server.status()["generation"] <= 3, "four requests made more than two reloads"
        assert version(server) == "two"


@pytest.mark.timeout(240)  # each starts three processes; beside others that takes more than a second
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_fifty_reloads_leave_nothing_behind(changing: Changing, code, interface: str) -> None:
    """Fifty reloads: no descriptor, process, thread or memory beyond the stated bound."""
    if interface == "asgi":
        code.write_looped("one")
    with changing(workers=2, interface=interface) as server:
        server.reload()
        with Connection("127.0.0.1", server.port) as connection:
            connection.exchange(Request("/"))
            before = footprint(server)
            for _ in range(50):
                server.reload()
                assert connection.exchange(Request("/")).status == 200
        server.wait_for("reload_done", generation=52)
        await_fact(lambda: len(server.tree()) == 5, "five processes: master, dispatcher, template and two workers", server)
        for kind in ("master fds", "dispatcher fds"):
            await_fact(lambda kind=kind: footprint(server)[kind] <= before[kind], f"as few {kind} as before", server)
        after = footprint(server)
        assert after["threads"] == before["threads"] == 2
        assert after["master KiB"] - before["master KiB"] < 2048
        assert after["dispatcher KiB"] - before["dispatcher KiB"] < 2048
