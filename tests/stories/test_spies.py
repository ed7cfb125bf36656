"""A worker that cannot write its stacks is killed at its limit all the same, and py-spy reads them where it is installed."""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from offences import MIB, ask, failed, limited
from punctuality import RunDelay, crossing

from prefork.testing import Server

Probe = Callable[..., Server]
pytestmark = pytest.mark.story

LATE = 0.25  # seconds that a limit may be enforced late
ATTEMPTS = 8
LAUNCHER = Path(__file__).with_name("spied.py")
SILENTLY = {"/deaf?then=lock": "in do_lock", "/suspend": "in do_suspend", "/stop": "in do_stop"}


@pytest.mark.parametrize("target", SILENTLY)
def test_the_stacks_of_one_that_writes_none_are_read_from_outside(probe: Probe, target: str) -> None:
    with probe(workers=1, **limited(limit_time_real=0.5)) as server:
        found = read_in_time(lambda: in_time(server, target))
        assert SILENTLY[target] in found["stacks"], server.log.text()
        assert "read by py-spy" in found["stacks"]
        assert "prefork/worker" not in found["stacks"], "frames that are the same each time"


def test_it_takes_no_more_memory_meanwhile(probe: Probe, tmp_path: Path) -> None:
    with probe(workers=1, **limited(limit_memory_hard="100M")) as server:
        readings = tmp_path / "readings"

        def swell() -> dict[str, Any]:
            delay = RunDelay(server)
            found = failed(server, f"/deaf?then=swell&mib=100000&file={readings}", 503)
            assert found["time"] - crossing(readings, 100 * MIB) <= LATE + delay.seconds()
            return found

        assert "in do_swell" in read_in_time(swell)["stacks"]


def test_a_spy_that_hangs_costs_its_text_only(probe: Probe, tmp_path: Path) -> None:
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    server = probe(workers=1, **limited(limit_time_real=0.5))
    server.command = (sys.executable, str(LAUNCHER), str(program))
    with server:
        found = in_time(server, "/deaf?then=lock")
        assert (found["stacks"], found["children"]) == ("", []), "a spy is none of the worker's"
        assert server.wait_for("spy_failed")["pid"] == found["pid"]
        assert ask(server, "/fast").status == 200


def test_stacks_that_are_asked_for_are_read_from_outside_too(probe: Probe) -> None:
    with probe(workers=1, **limited()) as server:
        client = threading.Thread(target=ask, args=(server, "/stop"))
        client.start()
        await_fact(lambda: "in do_stop" in told(server), "stacks of one that is stopped", server)
        assert "read by py-spy" in told(server)
        server.kill("http.1", signal.SIGCONT)
        client.join(10)
        assert "do_stop" not in told(server)
        assert not server.events("worker_died"), "it was harmed"


def in_time(server: Server, target: str) -> dict[str, Any]:
    """The incident of a request that takes longer than half a second, which is not killed late."""
    delay = RunDelay(server)
    found = failed(server, target, 504, "POST")
    assert found["elapsed"] - 0.5 <= LATE + delay.seconds()
    return found


def read_in_time(kill: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The first of some incidents that has stacks: on a busy machine a spy may be late, which no kill waits for."""
    return next(found for found in (kill() for _ in range(ATTEMPTS)) if found["stacks"])


def told(server: Server) -> str:
    """The stacks of the only worker."""
    (worker,) = server.ask({"command": "stacks"})["workers"]
    return str(worker["stacks"])
