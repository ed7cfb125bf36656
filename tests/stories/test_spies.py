"""A worker that cannot write its stacks is killed at its limit all the same, and py-spy reads them where it is installed."""

import signal
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from offences import MIB, ask, failed, incidents, limited
from punctuality import RunDelay, crossing

from prefork.master.enforce import READ_BY
from prefork.testing import Server

Probe = Callable[..., Server]
pytestmark = pytest.mark.story

LATE = 0.25  # seconds that a limit may be enforced late
PATIENT = 20.0  # seconds in which a spy has read on any machine
LAUNCHER = Path(__file__).with_name("spied.py")
SPY = Path(sysconfig.get_path("scripts"), "py-spy")
CHILDREN = {"/suspend": 1}  # which it waits for: it has yet to become a program
SILENTLY = {"/deaf?then=lock": "in do_lock", "/suspend": "in do_suspend", "/stop": "in do_stop"}


@pytest.mark.parametrize("target", SILENTLY)
def test_the_stacks_of_one_that_writes_none_are_read_from_outside(probe: Probe, target: str) -> None:
    with spied(probe(workers=1, **limited(limit_time_real=0.5))) as server:
        found = failed(server, target, 504, "POST")
        assert found["elapsed"] < PATIENT, "it is killed when it has been read"
        assert SILENTLY[target] in found["stacks"], server.log.text()
        assert "read by py-spy" in found["stacks"]
        assert "prefork/worker" not in found["stacks"], "frames that are the same each time"


def test_it_takes_no_more_memory_meanwhile(probe: Probe, tmp_path: Path) -> None:
    readings = tmp_path / "readings"
    target = f"/deaf?then=swell&mib=100000&file={readings}"
    with probe(workers=1, **limited(limit_memory_hard="100M")) as server:
        delay = RunDelay(server)
        found = failed(server, target, 503)
        assert found["time"] - crossing(readings, 100 * MIB) <= LATE + delay.seconds()
    with spied(probe(workers=1, **limited(limit_memory_hard="100M"))) as server:
        assert "in do_swell" in failed(server, target, 503)["stacks"]


def test_a_spy_that_hangs_costs_its_text_only(probe: Probe, tmp_path: Path) -> None:
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    with spied(probe(workers=1, **limited(limit_time_real=0.5)), program, READ_BY) as server:
        for target in SILENTLY:
            found = in_time(server, target)
            assert found["stacks"] == ""
            assert len(found["children"]) == CHILDREN.get(target, 0), "a spy is none of the worker's"
            assert ask(server, "/fast").status == 200
        assert server.wait_for("spy_failed")["pid"] == incidents(server)[0]["pid"], "it is said once"


def test_stacks_that_are_asked_for_are_read_from_outside_too(probe: Probe) -> None:
    with probe(workers=1, **limited()) as server:
        client = threading.Thread(target=ask, args=(server, "/stop"))
        client.start()
        said: list[str] = []

        def read() -> bool:
            said.append(told(server))
            return "in do_stop" in said[-1]

        await_fact(read, "stacks of one that is stopped", server)
        assert "read by py-spy" in said[-1]
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


def spied(server: Server, program: Path = SPY, seconds: float = PATIENT) -> Server:
    """A server whose spies are this program and have so long for a worker that is condemned: on a busy machine one is late else."""
    server.command = (sys.executable, str(LAUNCHER), str(program), str(seconds))
    return server


def told(server: Server) -> str:
    """The stacks of the only worker."""
    (worker,) = server.ask({"command": "stacks"})["workers"]
    return str(worker["stacks"])
