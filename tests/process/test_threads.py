"""Threaded mode: several requests at once in one process, and what happens to all of them when it dies or is told to go."""

import os
import signal
from collections.abc import Callable

from prefork.testing import Load, Server

from .conftest import Echo
from .wire import Gate, Wire, request, until

SECONDS = 5.0  # for whoever waits for nobody, on a busy machine: graceful_timeout is 60


def test_requests_are_served_at_once_by_one_process(echo: Echo, gates: Callable[[], Gate]) -> None:
    held = [gates(), gates()]
    with echo(workers=0, threads=3) as server, Wire(server) as one, Wire(server) as other, Wire(server) as third:
        for wire, gate in zip((one, other), held, strict=True):
            gate.hold(wire)
        assert third.get().status == 200
        status = server.status()
        assert (status["threads"], status["ready"], status["wanted"]) == (3, 3, 3)
        until(lambda: states(server) == ["busy", "busy", "idle"], "the third thread to be idle again")
        assert {row["name"] for row in status["workers"]} == {"http.1", "http.2", "http.3"}
        assert len({row["pid"] for row in status["workers"]}) == 1
        for wire, gate in zip((one, other), held, strict=True):
            gate.open()
            assert wire.answer().status == 200
        assert len(server.tree()) == 4, "master, dispatcher, template and one worker"


def states(server: Server) -> list[str]:
    return sorted(row["state"] for row in server.status()["workers"])


def test_more_requests_than_threads_wait(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=0, threads=1) as server, Wire(server) as busy, Wire(server) as waiting:
        gate.hold(busy)
        waiting.send(request("GET", "/echo"))
        until(lambda: server.status()["queue"]["length"] == 1, "a request to wait")
        gate.open()
        assert busy.answer().status == 200
        assert waiting.answer().status == 200


def test_when_the_process_dies_each_request_is_judged_by_itself(echo: Echo, gates: Callable[[], Gate]) -> None:
    read, write = gates(), gates()
    with echo(workers=0, threads=4) as server, Wire(server) as safe, Wire(server) as unsafe, Wire(server) as idle:
        assert idle.get().status == 200
        read.hold(safe)
        unsafe.send(request("POST", write.target))
        write.await_entry()
        (pid,) = set(server.workers().values())
        mark = server.mark()
        os.kill(pid, signal.SIGKILL)
        assert unsafe.answer("POST").status == 502
        server.wait_for("request_retried", method="GET", after=mark)
        read.await_entry()
        read.open()
        assert safe.answer().status == 200
        assert idle.get().status == 200, "the connection of nobody's request stays open"
        assert len(server.events("worker_died", after=mark)) == 1


def test_the_requests_of_all_threads_count_for_a_replacement(echo: Echo) -> None:
    options = {"workers": 0, "threads": 4, "limit_request": 50, "limit_request_jitter": 0, "access_log": False}
    with echo(**options) as server, Load(server.url, ["/echo"], threads=4) as load:
        for _ in range(3):
            mark = server.mark()
            assert server.wait_for("worker_retiring", after=mark)["reason"] == "its replacement is ready"
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0


def test_there_is_nothing_to_scale(echo: Echo) -> None:
    with echo(workers=0, threads=2) as server:
        answer = server.ask({"command": "scale", "workers": 3})
        assert not answer["ok"]
        assert "threaded mode" in answer["error"]
        server.signal(signal.SIGTTIN)
        server.signal(signal.SIGTTOU)
        assert server.reload()["ok"], "the signals before it have been heard"
        assert not server.events("scaled")


def test_it_says_what_it_is_not_for(echo: Echo) -> None:
    with echo(workers=0, threads=2, limit_time_real=0) as server:
        said = server.wait_for("threaded_mode")
        assert (said["level"], said["threads"]) == ("warning", 2)
        assert said["in_vain"] == ["limit_memory_soft", "limit_memory_hard", "limit_time_cpu"]


def test_an_interrupt_waits_for_nobody(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=0, threads=2) as server, Wire(server) as busy:
        gate.hold(busy)
        server.signal(signal.SIGINT)
        assert server.exit_status() == 0
        assert server.wait_for("stopped")["seconds"] < SECONDS
        assert busy.answer().status == 503
        assert server.events("interrupted")
        assert not server.events("worker_died"), "a worker that was told to go is no accident"
        assert not server.tree()


def test_a_stop_is_as_graceful_as_ever(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=0, threads=2) as server, Wire(server) as busy:
        gate.hold(busy)
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        gate.open()
        assert busy.answer().status == 200
        assert server.exit_status() == 0
        assert not server.events("stop_forced")


def test_a_request_under_way_is_finished_by_the_old_process(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=0, threads=2) as server, Wire(server) as busy, Wire(server) as other:
        gate.hold(busy)
        (old,) = set(server.workers().values())
        assert server.reload()["ok"]
        assert other.get().status == 200
        assert old not in server.workers().values()
        assert [row["state"] for row in server.status()["workers"] if row["pid"] == old] == ["retiring"]
        gate.open()
        assert busy.answer().status == 200
        until(lambda: old not in server.tree(), "the old process to leave")
