"""A server that finds the number of its HTTP workers: more when requests wait, within its bounds; a number set by hand stays."""

import subprocess
import sys
from collections.abc import Callable

from prefork.testing import Server

from .conftest import Echo
from .wire import Gate, Wire, request, until

AUTO = {"workers": "auto", "workers_min": 1, "workers_max": 3}


def hold(gate: Gate) -> bytes:
    return request("GET", f"/hold?gate={gate.path}")


def wanted(server: Server) -> int:
    return int(server.status()["wanted"])


def test_requests_that_wait_bring_workers_as_far_as_they_may(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(**AUTO) as server:
        assert wanted(server) == 1, "it begins with the fewest"
        entries = [gates() for _ in range(4)]
        wires = [Wire(server).send(hold(gate)) for gate in entries]
        for gate in entries[:3]:
            gate.await_entry()
        bound = server.wait_for("autoscale_bound")
        assert (bound["workers"], bound["bound"], bound["level"]) == (3, "workers_max", "warning")
        changes = server.events("autoscaled")
        assert changes[0]["before"] == 1
        assert changes[-1]["workers"] == 3
        assert all("waited too long" in change["reason"] for change in changes)
        told = server.status()["autoscale"]
        assert (told["min"], told["max"], told["held"], told["bound"]["what"]) == (1, 3, False, "workers_max")
        assert told["last"]["workers"] == 3
        for place, (gate, wire) in enumerate(zip(entries, wires, strict=True)):
            if place == 3:
                gate.await_entry()
            gate.open()
            assert wire.answer().status == 200
            wire.socket.close()


def test_a_reload_keeps_the_number_that_was_found_within_the_new_bounds(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(**{**AUTO, "workers_max": 2}) as server:
        gate, other = gates(), gates()
        with Wire(server) as first, Wire(server) as second:
            first.send(hold(gate))
            second.send(hold(other))
            gate.await_entry()
            other.await_entry()
            gate.open()
            other.open()
            assert (first.answer().status, second.answer().status) == (200, 200)
        assert wanted(server) == 2
        server.reload()
        assert wanted(server) == 2
        server.configure(workers_max=1)
        server.reload()
        until(lambda: server.status()["ready"] == wanted(server) == 1, "one worker")


def test_the_plan_binds(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(**{**AUTO, "workers_max": None}, plan="free") as server, Wire(server) as first, Wire(server) as second:
        gate, other = gates(), gates()
        first.send(hold(gate))
        gate.await_entry()
        second.send(hold(other))
        assert server.wait_for("autoscale_bound")["workers"] == 1
        gate.open()
        other.await_entry()
        other.open()


def test_a_number_that_is_set_by_hand_is_held_until_it_is_let_go(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(**AUTO) as server, Wire(server) as first, Wire(server) as second:
        server.scale(1)
        assert server.status()["autoscale"]["held"]
        gate, other = gates(), gates()
        first.send(hold(gate))
        gate.await_entry()
        second.send(hold(other))
        until(lambda: server.status()["queue"]["oldest"] > 0.5, "a request that waits")
        assert server.events("autoscaled") == []
        command = [sys.executable, "-m", "prefork", "scale", "auto", "-c", server.configuration]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert said == "The server finds the number of its workers again.\n"
        assert server.wait_for("autoscaled")["workers"] == 2
        other.await_entry()
        for each in (gate, other):
            each.open()


def test_where_the_number_is_set_it_cannot_be_found(echo: Echo) -> None:
    with echo(workers=2) as server:
        assert server.status()["autoscale"] is None
        answer = server.ask({"command": "scale", "workers": "auto"})
        assert (answer["ok"], answer["error"]) == (
            False,
            "the number of workers is set in the configuration; set workers = auto there and reload",
        )
