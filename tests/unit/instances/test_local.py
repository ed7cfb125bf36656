"""A server on this machine that hangs: a few wait for it, and the others are told at once."""

import socket
import threading
import time
from pathlib import Path

import pytest

from prefork.config import CONTROL_SOCKET
from prefork.control.client import Unreachable
from prefork.instances import local
from prefork.instances.local import MOST, Local


def waited(server: Local, timeout: float) -> float:
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        server.ask("status", timeout)
    return time.monotonic() - begun


def test_a_server_that_hangs_has_few_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SOON", 0.2)
    server, patience = Local(tmp_path), local.MOMENT
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / CONTROL_SOCKET))
        hanging.listen(64)
        first = [threading.Thread(target=waited, args=(server, patience)) for _ in range(MOST)]
        for thread in first:
            thread.start()
        while len(local.line._waiting.get(tmp_path, [])) < MOST:
            threading.Event().wait(0.01)
        for _ in range(3):
            assert waited(server, patience) < patience / 2
        assert all(thread.is_alive() for thread in first), "nobody has waited for them"
        for _ in first:
            hanging.accept()[0].close()
        for thread in first:
            thread.join()
        assert tmp_path not in local.line._waiting
        assert waited(server, 0.1) >= 0.1, "the next one asks again"


def test_who_comes_while_a_server_is_about_to_answer_waits_his_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SOON", 60.0)
    order: list[str] = []

    def third() -> None:
        with local.line.standing(tmp_path, 1.0):
            order.append("third")

    with local.line.standing(tmp_path, 1.0):
        with local.line.standing(tmp_path, 1.0):
            thread = threading.Thread(target=third)
            thread.start()
            thread.join(0.05)
            order.append("second")
        thread.join()
    assert order == ["second", "third"]


def test_who_gives_it_long_is_not_counted(tmp_path: Path) -> None:
    with local.line.standing(tmp_path, local.RELOAD_LIMIT):
        assert tmp_path not in local.line._waiting
