"""A stop, and the death of the dispatcher itself."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

import pytest
from punctuality import delayed, moment, waited_here, waits

from prefork.testing import Load

from .conftest import Echo
from .wire import HEAD, Gate, Wire, assert_answered_at_a_stop, request, until


@pytest.mark.story
def test_a_stop_under_load_answers_every_request_that_was_accepted(echo: Echo) -> None:
    with echo(workers=2) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(8)]
        assert_answered_at_a_stop(server, wires)
        assert not server.events("stop_forced")


def test_a_load_that_is_stopped_sees_whole_answers_and_then_a_closed_door(echo: Echo) -> None:
    with echo(workers=2, access_log=False) as server, Load(server.url, ["/echo"], threads=4) as load:
        load.wait(100)
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
        failed = load.stop().failed
        # The door closes while requests are on their way; what has been answered has been answered whole.
        assert not [failure for failure in failed if failure.got], failed


def test_what_is_running_is_finished_and_what_is_idle_is_closed(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1) as server, Wire(server) as idle, Wire(server) as busy, Wire(server) as waiting, Wire(server) as half:
        assert idle.get().status == 200
        half.send(request("POST", "/echo", b"hello")[:-2])
        busy.send(request("GET", gate.target) + HEAD)
        gate.await_entry()
        waiting.send(HEAD)
        until(lambda: server.status()["queue"]["length"] == 1, "a request to wait")
        server.signal(signal.SIGTERM)
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            Wire(server)
        half.send(b"lo")
        gate.open()
        assert busy.answer().status == 200
        for wire in (busy, waiting, half):
            answer = wire.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert wire.rest() == b""
        assert server.exit_status() == 0


def test_what_takes_longer_than_the_graceful_timeout_is_cut(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1, graceful_timeout=0.5) as server, Wire(server) as busy, Wire(server) as waiting:
        gate.hold(busy)
        waiting.send(HEAD)
        until(lambda: server.status()["queue"]["length"] == 1, "a request to wait")
        server.signal(signal.SIGTERM)
        answer = waiting.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        server.wait_for("stop_forced")
        assert server.exit_status() == 0


def test_a_second_signal_stops_at_once(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1, graceful_timeout=60) as server, Wire(server) as busy:
        gate.hold(busy)
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.signal(signal.SIGTERM)
        assert server.exit_status(5) == 0
        assert server.wait_for("stopped")["seconds"] < 5


def test_the_port_is_free_afterwards(echo: Echo) -> None:
    with echo(workers=1) as server, Wire(server) as kept:
        assert kept.get().status == 200
        assert server.stop() == 0
        with socket.create_server(("127.0.0.1", server.port)):
            pass


@pytest.mark.story
def test_a_dispatcher_that_is_killed_is_back_within_a_second(echo: Echo) -> None:
    with echo(workers=2) as server, Wire(server) as kept:
        assert kept.get().status == 200
        mark, pid, before, own = server.mark(), server.status()["dispatcher"]["pid"], waits(server), waited_here()
        os.kill(pid, signal.SIGKILL)
        died = server.wait_for("dispatcher_died", after=mark)
        assert died["pid"] == pid
        with Wire(server) as wire:  # the kernel keeps the connection until the next dispatcher accepts it
            assert wire.get().status == 200
        took, delay = time.time() - moment(died), delayed(server, before) + waited_here() - own
        assert took - delay < 1, f"{took:.3f} s, {delay:.3f} s without a processor"
        with Load(server.url, ["/echo"], threads=2) as load:
            load.wait(50)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        until(lambda: server.status()["ready"] == 2, "both workers to be ready")


def test_a_worker_of_a_dead_dispatcher_finishes_its_request(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1) as server, Wire(server) as busy:
        busy.send(request("GET", gate.target, Connection="close"))
        gate.await_entry()
        os.kill(server.status()["dispatcher"]["pid"], signal.SIGKILL)
        server.wait_for("dispatcher_died")
        gate.open()
        assert busy.answer().status == 200
