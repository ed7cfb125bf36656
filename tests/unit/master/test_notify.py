"""What systemd hears, and when."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.master.notify import Notifier, address, interval

PID = 4711


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(str(path))
        self.wire.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(PID)}

    def heard(self) -> list[str]:
        """Everything since the last call, the moment of a reload left out."""
        found = []
        while True:
            try:
                lines = self.wire.recv(4096).decode().split("\n")
            except BlockingIOError:
                return found
            found.append(" ".join(line for line in lines if not line.startswith("MONOTONIC_USEC=")))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.wire.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    notifier = Notifier(manager.environ, PID)
    yield notifier
    assert notifier.wire
    notifier.wire.close()


def test_the_life_of_a_server(manager: Manager, notifier: Notifier) -> None:
    notifier.ready("one")
    notifier.reloading("two")
    notifier.ready("three\nlines")
    notifier.stopping("four")
    assert manager.heard() == [
        "READY=1 STATUS=one",
        "RELOADING=1 STATUS=two",
        "READY=1 STATUS=three lines",
        "STOPPING=1 STATUS=four",
    ]
    notifier.ready("a reload that was under way")
    assert manager.heard() == []


def test_a_reload_says_when_it_began(manager: Manager, notifier: Notifier) -> None:
    notifier.reloading("x")
    (moment,) = [line for line in manager.wire.recv(4096).decode().split("\n") if line.startswith("MONOTONIC_USEC=")]
    assert int(moment.removeprefix("MONOTONIC_USEC=")) > 0


def test_a_status_is_said_once(manager: Manager, notifier: Notifier) -> None:
    for now, status in enumerate(["a", "a", "b", "b", "a"]):
        notifier.step(now, status, lasting=False, alive=False)
    assert manager.heard() == ["STATUS=a", "STATUS=b", "STATUS=a"]


def test_signs_of_life_come_twice_in_the_time_that_is_allowed_and_only_from_the_living(
    manager: Manager, notifier: Notifier
) -> None:
    notifier.ready("x")
    manager.heard()
    signs = []
    for now in range(100):
        notifier.step(now, "x", lasting=False, alive=not 25 <= now < 55)
        signs += [now for said in manager.heard() if said == "WATCHDOG=1"]
    assert signs == [0, 10, 20, 55, 65, 75, 85, 95]


def test_what_lasts_is_said_to_go_on(manager: Manager, notifier: Notifier) -> None:
    moments = []
    for now in range(20):
        notifier.step(now, "x", lasting=now < 12, alive=False)
        moments += [now for said in manager.heard() if said == "EXTEND_TIMEOUT_USEC=20000000"]
    assert moments == [0, 5, 10]


def test_a_manager_that_does_not_read_delays_nothing_and_loses_no_change(manager: Manager, notifier: Notifier) -> None:
    told = 0
    while not notifier.waiting:
        notifier.reloading(f"reload {told}")
        told += 1
    notifier.stopping("the end")
    for now in range(1000):
        notifier.step(now, "again", lasting=True, alive=True)
    assert len(notifier.waiting) == 2, "what can be said later does not pile up"
    heard = manager.heard()
    notifier.step(1000, "again", lasting=False, alive=False)
    heard += manager.heard()
    assert len(heard) == told + 2
    assert heard[-2:] == ["STOPPING=1 STATUS=the end", "STATUS=again"]


@pytest.mark.parametrize("place", ["/nowhere/at/all", "@nobody-" + "x" * 20, "/" + "x" * 200, "vsock:2:1", "relative", ""])
def test_where_nobody_listens_nothing_happens(place: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "2"}, PID)
    notifier.ready("x")
    notifier.step(0, "x", lasting=True, alive=True)
    notifier.stopping("x")
    assert not notifier.waiting
    if notifier.wire:
        notifier.wire.close()


def test_abstract_addresses() -> None:
    name = f"prefork-test-{os.getpid()}"
    assert address("@" + name) == b"\0" + name.encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name}, PID)
        notifier.ready("x")
        assert manager.recv(100) == b"READY=1\nSTATUS=x"
        assert notifier.wire
        notifier.wire.close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(PID)}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, float("inf")),
        ({"WATCHDOG_USEC": "0"}, float("inf")),
        ({"WATCHDOG_USEC": "soon"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_watchdog_of_this_process(environ: dict[str, str], expected: float) -> None:
    assert interval(environ, PID) == expected
