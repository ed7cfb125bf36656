"""Lanes: a report that asks its own server for something gets it, whatever the other workers do."""

import json
from collections.abc import Callable
from typing import Any

from prefork.testing import Server

from .conftest import APPS, Echo
from .wire import Gate, Wire, request, until


def report(gate: Gate) -> bytes:
    """The request of a report that asks the server for an asset as soon as the gate is open."""
    return request("GET", f"/report?gate={gate.path}")


def lane(server: Server, name: str) -> dict[str, object]:
    (found,) = [each for each in server.status()["lanes"] if each["name"] == name]
    return dict(found)


def test_without_a_lane_reports_wait_for_each_other_in_vain(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(workers=2, queue_timeout="1s") as server, Wire(server) as first, Wire(server) as second:
        entries = [gates(), gates()]
        for gate, wire in zip(entries, (first, second), strict=True):
            wire.send(report(gate))
            gate.await_entry()
        for gate in entries:
            gate.open()
        assets = [json.loads(wire.answer().body)["asset"] for wire in (first, second)]
        assert 503 in assets
        assert server.wait_for("request_failed", target="/echo?asset")["reason"].endswith("(queue_timeout)")


def test_a_limited_lane_leaves_a_worker_for_what_its_requests_ask_for(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(workers=2, lanes="reports:/report:0-1") as server:
        entries = [gates() for _ in range(3)]
        wires = [Wire(server).send(report(gate)) for gate in entries]
        entries[0].await_entry()
        until(lambda: lane(server, "reports")["waiting"] == 2, "two reports to wait")
        assert lane(server, "reports")["working"] == 1
        with Wire(server) as other:
            assert other.get("/%72eport2").status == 404
            assert other.get().status == 200, "who has nothing to do with reports does not wait for them"
            answer = other.get("/_prefork/saturation")
            said = json.loads(answer.body)["lanes"]
            assert (answer.status, said["reports"]["saturated"], said["default"]["saturated"]) == (200, True, False)
        for gate, wire in zip(entries, wires, strict=True):
            if gate is not entries[0]:
                gate.await_entry()
            gate.open()
            assert json.loads(wire.answer().body) == {"asset": 200}
            wire.socket.close()
        until(lambda: lane(server, "reports")["working"] == 0, "the dispatcher to say that no report is left")
        reports, rest = lane(server, "reports"), lane(server, "default")
        assert (reports["arrived"], reports["served"], rest["served"]) == (3, 3, 5)
        assert server.events("request_failed") == []


def test_what_lanes_may_reserve_is_said_when_the_application_is_known(echo: Echo) -> None:
    """A worker with a loop has many places, of which one may be reserved; one without has itself."""
    options: dict[str, Any] = {"workers": 1, "lanes": "reports:/report:1", "app_dir": APPS}
    with echo("looped:app", **options) as server, Wire(server) as wire:
        assert wire.get("/seen").status == 200
    server = Server("echo:app", **options)
    server.launch()
    try:
        assert server.exit_status() == 3
        assert server.events("template_failed")[0]["reason"].startswith("the lanes reserve 1 of 1 workers")
    finally:
        server.close()
    rehearsed = Server("echo:app", stop_after_init=True, **options)
    rehearsed.launch()
    try:
        assert rehearsed.exit_status() == 3
        assert rehearsed.events("template_failed")[0]["reason"].startswith("the lanes reserve 1 of 1 workers")
    finally:
        rehearsed.close()


def test_another_spelling_is_no_way_around_a_lane(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(workers=2, lanes="reports:/report:0-1") as server, Wire(server) as first, Wire(server) as second:
        held, waits = gates(), gates()
        first.send(report(held))
        held.await_entry()
        second.send(report(waits).replace(b"/report", b"//%72epor%74"))
        until(lambda: lane(server, "reports")["waiting"] == 1, "the other spelling to wait")
        held.open()
        assert first.answer().status == 200
        waits.await_entry()
        waits.open()
        assert second.answer().status == 200


def test_a_reserved_worker_is_there_for_its_lane(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(workers=2, lanes="api:/echo:1") as server, Wire(server) as first, Wire(server) as second, Wire(server) as api:
        held, waits = gates(), gates()
        held.hold(first)
        second.send(request("GET", waits.target))
        until(lambda: lane(server, "default")["waiting"] == 1, "the second request to wait beside an idle worker")
        assert api.get().status == 200
        held.open()
        assert first.answer().status == 200
        waits.await_entry()
        waits.open()
        assert second.answer().status == 200


def test_a_reload_takes_those_who_wait_to_their_new_lane(echo: Echo, gates: Callable[[], Gate]) -> None:
    with echo(workers=2, lanes="reports:/report:0-1") as server, Wire(server) as first, Wire(server) as second:
        held, waits = gates(), gates()
        for gate, wire in ((held, first), (waits, second)):
            wire.send(report(gate))
        held.await_entry()
        until(lambda: lane(server, "reports")["waiting"] == 1, "the second report to wait")
        server.configure(lanes="slow:/report:0-2", workers=4)
        server.reload()
        waits.await_entry()
        until(lambda: lane(server, "slow")["working"] == 2, "both reports to work in the new lane")
        for gate, wire in ((held, first), (waits, second)):
            gate.open()
            assert json.loads(wire.answer().body) == {"asset": 200}
