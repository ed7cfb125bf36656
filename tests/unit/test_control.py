"""The control socket: whom it lets in, and what it does with those who ask much and read nothing."""

import os
import selectors
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefork.control import server as control
from prefork.control.server import Server, Visitor

Answer = Callable[[dict[str, Any]], None]


class House:
    """A control socket, turned by hand. What it was asked is in `heard`."""

    def __init__(self, path: Path, visitor: Visitor | None) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[str] = []
        self.said: dict[str, Any] = {"ok": True}
        self.server = Server(path, self.selector, self.take, visitor)
        self.wires: list[socket.socket] = []

    def take(self, request: dict[str, Any], answer: Answer) -> None:
        self.heard.append(request["command"])
        answer(self.said)

    def turn(self) -> None:
        """All that there is to do."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                key.data()

    def call(self) -> socket.socket:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(10)
        wire.connect(str(self.server.path))
        self.wires.append(wire)
        self.turn()
        return wire

    def ask(self, wire: socket.socket, command: str) -> bytes:
        wire.sendall(f'{{"command": "{command}"}}\n'.encode())
        self.turn()
        return wire.recv(1 << 16)

    def close(self) -> None:
        for wire in self.wires:
            wire.close()
        self.server.close()
        self.selector.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[[Visitor | None], House]]:
    made: list[House] = []

    def open_house(visitor: Visitor | None) -> House:
        made.append(House(tmp_path / "prefork.sock", visitor))
        return made[-1]

    yield open_house
    for each in made:
        each.close()


def test_another_account_asks_what_it_may_and_nothing_else(
    house: Callable[[Visitor | None], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = house(Visitor(os.geteuid(), frozenset({"status"})))
    monkeypatch.setattr(control, "user_of", lambda _: 4711)  # whoever it is: the file's owner can let others in
    wire = at.call()
    assert at.ask(wire, "status") == b'{"ok": true}\n'
    assert b"stop is for the account that has started the server" in at.ask(wire, "stop")
    assert at.heard == ["status"]
    status = at.server.path.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (os.geteuid(), 0o600)


def test_it_leaves_room_for_the_servers_own(house: Callable[[Visitor | None], House], monkeypatch: pytest.MonkeyPatch) -> None:
    at = house(Visitor(os.geteuid(), frozenset({"status"})))
    monkeypatch.setattr(control, "user_of", lambda _: 4711)
    for _ in range(control.MOST_VISITS):
        assert at.ask(at.call(), "status")
    assert at.call().recv(1) == b"", "one visitor too many"
    monkeypatch.undo()
    assert at.ask(at.call(), "stop") == b'{"ok": true}\n'


def test_who_reads_nothing_is_let_go(house: Callable[[Visitor | None], House], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MOST_UNREAD", 1 << 20)
    at = house(None)
    at.said = {"ok": True, "much": "x" * (1 << 18)}
    wire = at.call()
    for _ in range(20):
        try:
            wire.sendall(b'{"command": "status"}\n')
        except BrokenPipeError:
            break
        at.turn()
    assert at.server.clients == set()
