"""Premises where nothing is really run: a runner that notes what it is asked, and a server that answers what it is told to."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefork.instances import provisions
from prefork.instances.database import Database
from prefork.instances.local import Denied, Local, Unreachable
from prefork.instances.provisions import Work
from prefork.provision.files import Place
from prefork.provision.premises import Premises
from prefork.provision.process import Process

PORTS = range(20_000, 32_000)


class Paper:
    """A runner. Whom it runs is this very process.

    `fails` is why nobody starts, `fails_next` why the next ones do not; what is `short_lived` ends at once.
    """

    revives_after: float | None = None

    def __init__(self) -> None:
        self.up: set[str] = set()
        self.asked: list[str] = []
        self.bounds: list[int | None] = []
        self.fails = ""
        self.short_lived = False
        self.fails_next = list[str]()
        self.reload: Denied | None = None

    def start(self, identity: str, place: Place) -> None:
        self.asked.append(f"start {identity}")
        if reason := self.fails_next.pop(0) if self.fails_next else self.fails:
            raise OSError(reason)
        if not self.short_lived:
            self.up.add(identity)

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:
        return Process.of(os.getpid()) if identity in self.up else None

    def bound(self, identity: str, memory: int | None) -> None:
        self.bounds.append(memory)

    def stop(self, identity: str, process: Process | None) -> None:
        self.asked.append(f"stop {identity}")
        self.up.discard(identity)

    def how(self, identity: str) -> str:
        return "exit status 3"

    def forget(self, identity: str) -> None:
        self.asked.append(f"forget {identity}")

    def answer(self, command: str) -> dict[str, Any]:
        self.asked.append(command)
        if not self.up:
            raise Unreachable("nobody is there")
        if command == "reload" and self.reload:
            raise self.reload
        return {"ok": True, "state": "running", "pid": os.getpid()}


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    """The runner."""
    made = Paper()
    monkeypatch.setattr(Local, "ask", lambda _server, command, _timeout=0, **_fields: made.answer(command))
    # This process does not end: it has ended where the runner says so.
    monkeypatch.setattr(Process, "lives", lambda _process: bool(made.up))
    return made


@pytest.fixture
def premises(tmp_path: Path, paper: Paper) -> Iterator[Premises]:
    """Where instances are, without nginx. What a test has begun ends before its database does."""
    with Database(tmp_path / "console.sqlite") as db:
        yield Premises(db, tmp_path / "instances", paper, ports=PORTS)
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(20)


def end_of(premises: Premises, work: Work) -> Work:
    """How a work went."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = provisions.work(premises.db, work.instance, work.id)
        assert found
        if found.state != "running":
            return found
        threading.Event().wait(0.01)
    raise AssertionError(f"{work.action} has no end")
