"""Bodies that come slowly, of requests that have a worker already: what happens to worker and server happens to nobody else."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact, footprint
from tests.process.wire import Gate, Wire, request

from prefork.testing import Load, Server

APPS = Path(__file__).parent.parent / "process" / "apps"
BODY = bytes(range(256)) * 4096
FIRST = 200_000  # bytes of it that are sent at once
Looped = Callable[..., Server]
pytestmark = pytest.mark.story


@pytest.fixture
def looped() -> Looped:
    """Makes a server of a plain ASGI application."""
    return lambda **options: Server("looped:app", app_dir=APPS, **{"access_log": False, "concurrency": 8, **options})


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def begin(gate: Gate, wire: Wire, method: str = "POST") -> None:
    """Send a part of a body, and wait until the application has it: as soon as there is a worker, which answers others too."""
    assert wire.get("/seen").status == 200
    wire.send(request(method, f"/take?gate={gate.path}", Content_Length=str(len(BODY))), BODY[:FIRST])
    gate.await_entry()
    gate.open()


def finish(wire: Wire) -> dict[str, Any]:
    """Send the rest; what the application says of it."""
    answer = wire.send(BODY[FIRST:]).answer()
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    assert found["digest"] == hashlib.sha256(BODY).hexdigest()
    return found


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_kill_in_the_middle_of_a_body_is_502_and_leaves_nothing(looped: Looped, gate: Gate, method: str) -> None:
    with looped(workers=1) as server:
        with Wire(server) as wire:
            assert wire.get("/seen").status == 200, "the dispatcher has its worker"
        before = footprint(server)
        for _ in range(3):
            with Wire(server) as wire:
                begin(gate, wire, method)
                mark = server.mark()
                server.kill(min(server.workers()))
                assert wire.answer().status == 502, "what was read of the body is gone, so it is made again by nobody"
                assert wire.send(BODY[FIRST : 2 * FIRST]).rest() == b"", "it may send on, and there is no reset"
                server.wait_for("worker_ready", after=mark)
        await_fact(lambda: footprint(server)["dispatcher fds"] <= before["dispatcher fds"], "no more descriptors", server)


def test_kills_among_uploads_lose_no_safe_request(looped: Looped, gate: Gate) -> None:
    with looped(workers=2) as server, Load(server.url, ("/echo", "/sleep?seconds=0.01"), threads=4) as load:
        for _ in range(3):
            load.wait(50)
            with Wire(server) as wire:
                begin(gate, wire)
                for worker in list(server.workers()):
                    mark = server.mark()
                    server.kill(worker)
                    server.wait_for("worker_ready", after=mark)
                    load.wait(50)  # until what is made again has ended: nothing is made a third time
                assert wire.answer().status == 502
        load.wait(50)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0


def test_a_reload_waits_for_the_end_of_a_body(looped: Looped, gate: Gate) -> None:
    with looped(workers=1) as server, Wire(server) as slow, Wire(server) as wire:
        old = server.workers()["http.1"]
        begin(gate, slow)
        server.reload()
        assert json.loads(wire.get("/seen").body)["pid"] != old, "others have the new code"
        assert finish(slow)["pid"] == old
        await_fact(lambda: old not in server.tree(), "the old worker to leave", server)
        assert json.loads(slow.get("/seen").body)["pid"] != old, "its connection is kept"


def test_a_stop_waits_for_the_end_of_a_body(looped: Looped, gate: Gate) -> None:
    with looped(workers=1) as server, Wire(server) as wire:
        begin(gate, wire)
        server.signal(15)
        server.wait_for("stopping")
        finish(wire)
        assert server.exit_status() == 0
