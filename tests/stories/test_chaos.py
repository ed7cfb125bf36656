"""Everything that can end a worker at once, for a while, on a server whose log disk is full: only the guilty fail.

`--full` tells it for a minute, and at full size, as `make soak` does.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIGKILL, SIGSEGV
from typing import Any

import pytest
from facts import await_fact
from offences import incidents, limited

from prefork.testing import Load, Request, Server

Probe = Callable[..., Server]
Note = Callable[[str, object], None]
pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]

GUILT = {
    "/hog?limit=1000&file=/dev/null": {"limit_memory_hard", "limit_time_cpu", "limit_time_real"},
    "/crash": {"crash"},
    "/usleep": {"limit_time_real"},
    "/backtrack": {"limit_time_cpu", "limit_time_real"},  # on a busy machine it takes too long first
    "/stop": {"limit_time_real"},
    "/bomb": {"limit_time_real"},
    "/fork?seconds=60&setsid=1&die=1": {"signal"},
    "/die?always=1&file=/dev/null": {"signal"},
}
PAUSE = 0.7  # seconds between two kills from outside


def test_chaos_harms_the_guilty_only(probe: Probe, full: bool, record_property: Note) -> None:
    limits = limited(limit_memory_soft="150M", limit_memory_hard="300M", limit_time_cpu=0.5, limit_time_real=0.7)
    server = probe(workers=4, logfile="/dev/full", **limits).launch()
    try:
        await_fact(lambda: answers(server), "a server that answers", server)
        with Load(server.url, ["/fast", "/leak?mib=1"], threads=2) as innocents, killing(server) as killed:
            innocents.wait(50)
            targets = list(GUILT)
            guilty = Load(server.url, lambda thread, number: guilt(targets[(thread + number) % len(targets)]), threads=2).start()
            if full:
                go_on(60)
            else:
                guilty.wait(2 * len(GUILT), 60)
            harmed = guilty.stop()
        outcome = innocents.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed"
        assert not harmed.failed, harmed.summary()
        await_fact(lambda: all_told(server, harmed.sent, killed), "an incident for each", server)
        assert_each_is_told(incidents(server), harmed.sent, killed)
        assert server.status()["state"] == "running"
        record_property("innocent requests", outcome.sent)
        record_property("guilty requests", harmed.sent)
        record_property("kills from outside", len(killed))
        record_property("incidents", len(incidents(server)))
    finally:
        server.close()  # fails when anything is left behind


def all_told(server: Server, sent: int, killed: list[int]) -> bool:
    """Whether there can be no further incident: each guilty request has one, and each worker that was killed from outside."""
    told = incidents(server)
    return len(told) == server.status()["incidents"] >= sent and {each["pid"] for each in told}.issuperset(killed)


def assert_each_is_told(told: list[dict[str, Any]], sent: int, killed: list[int]) -> None:
    """Every guilty request has an incident, of a cause that it has given, and was made once: what broke a limit is not retried."""
    guilty = [each for each in told if each["request"] and each["request"]["target"] in GUILT]
    assert len({each["request"]["id"] for each in guilty}) == sent
    # One that its worker had not begun when that was killed from outside went to another one.
    own = [each for each in guilty if each["pid"] not in killed]
    assert len({each["request"]["id"] for each in own}) == len(own), "it was made again"
    assert [each for each in own if each["cause"] not in GUILT[each["request"]["target"]]] == []
    assert {each["cause"] for each in told if each["pid"] in killed} <= {"signal", "crash"}
    others = {each["pid"] for each in own}.union(killed)
    assert [each for each in told if each["pid"] not in others] == [], "somebody else was harmed"
    assert others == {each["pid"] for each in told}


def guilt(target: str) -> Request:
    """A request that does harm, and is to be told."""
    return Request(target, "POST", expect=frozenset({502, 503, 504}))


def answers(server: Server) -> bool:
    """Whether the control socket says that the server runs."""
    try:
        return os.path.exists(server.socket_path) and server.status()["state"] == "running"
    except ConnectionRefusedError:  # its file is there a moment before it listens
        return False


def go_on(seconds: float) -> None:
    threading.Event().wait(seconds)


@contextmanager
def killing(server: Server) -> Iterator[list[int]]:
    """Meanwhile somebody kills idle workers from outside; gives their pids."""
    ended, killed = threading.Event(), []

    def kill() -> None:
        for number in itertools.cycle((SIGKILL, SIGSEGV)):
            if ended.wait(PAUSE):
                return
            idle = [worker["pid"] for worker in server.status()["workers"] if worker["state"] == "idle"]
            with suppress(ProcessLookupError, IndexError):  # it has just been replaced, or all are busy
                os.kill(idle[0], number)
                killed.append(idle[0])

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()
