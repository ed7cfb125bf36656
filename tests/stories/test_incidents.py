"""However a worker ends, its incident has every field that can be known of it."""

import platform
import time
from collections.abc import Callable
from typing import Any

import pytest
from offences import MIB, failed, incidents, limited

from prefork.testing import Server

Probe = Callable[..., Server]
pytestmark = pytest.mark.story

# What ends it, its status, the cause and what the reason says, how many children it leaves, and what is in its stacks.
ENDS = {
    "/hog?limit=1000&file=/dev/null": (503, "limit_memory_hard", "limit_memory_hard allows 150 MiB", 2, "do_hog"),
    "/bomb": (504, "limit_time_real", "limit_time_real allows 1 s", 5, "do_bomb"),
    "/usleep": (504, "limit_time_real", "limit_time_real allows 1 s", 0, "do_usleep"),
    "/spin?seconds=30": (504, "limit_time_cpu", "limit_time_cpu allows 0.3 s", 0, "do_spin"),
    "/crash": (502, "crash", "SIGSEGV", 0, "do_crash"),
    "/fork?seconds=60&setsid=1&die=1": (502, "signal", "SIGKILL", 1, ""),
    "/exit?status=3": (502, "exit", "exit status 3", 0, ""),
}


@pytest.mark.parametrize("target", ENDS)
def test_an_incident_tells_all_that_is_known(probe: Probe, target: str) -> None:
    status, cause, reason, children, stacks = ENDS[target]
    cpu = 0.3 if cause == "limit_time_cpu" else 0
    seconds = 1 if cause == "limit_time_real" else 0  # of several limits a busy machine may reach another one first
    with probe(workers=1, **limited(limit_memory_hard="150M", limit_time_real=seconds, limit_time_cpu=cpu)) as server:
        before, pids = time.time(), server.workers()
        found = failed(server, target, status, "POST")
        assert (found["cause"], found["worker"], found["pid"]) == (cause, "http.1", pids["http.1"])
        assert reason in found["reason"]
        assert before <= found["time"] <= time.time()
        assert (found["node"], found["pool"], found["generation"]) == (platform.node(), "http", 1)
        assert (found["request"]["target"], found["request"]["client"]) == (target, "127.0.0.1")
        assert found["request"]["tag"] == ("the hog" if children == 2 else "")
        assert found["elapsed"] > 0
        assert found["cpu"] >= cpu
        assert len(found["curve"]) > (1 if cause.startswith("limit") else 0), "who dies at once is weighed once"
        assert found["curve"][-1] == [0.0, found["memory"]]
        assert min(size for _, size in found["curve"]) > MIB, "of one that has ended"
        assert len(found["children"]) == children
        assert stacks in found["stacks"]
        assert found["advice"]


def test_a_worker_that_cannot_start_any_more_is_told_with_its_traceback(changing: Callable[..., Server], code: Any) -> None:
    with changing(workers=1, preload="false") as server:
        code.write("two", before="raise ImportError('it is broken')")
        server.kill("http.1")
        server.wait_for("incident_recorded", cause="boot")
        boot = next(each for each in incidents(server) if each["cause"] == "boot")
        assert boot["reason"].endswith("ImportError: it is broken")
        assert "changing.py" in boot["stacks"]
        assert (boot["request"], boot["elapsed"], boot["node"]) == (None, None, platform.node())
