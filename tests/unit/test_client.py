from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefork.control.client import Unreachable, ask

Serve = Callable[[Path, bytes], list[bytes]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A server that takes one request and gives one answer; it returns the list it will put the request into."""
    threads: list[threading.Thread] = []

    def serve(path: Path, answer: bytes) -> list[bytes]:
        listener, received = socket.socket(socket.AF_UNIX), list[bytes]()
        with monkeypatch.context() as inside:  # the address of a long path has to be relative
            inside.chdir(path.parent)
            listener.bind(path.name)
        listener.listen()

        def take() -> None:
            with listener, listener.accept()[0] as wire:
                received.append(wire.makefile("rb").readline())
                for start in range(0, len(answer), 7):
                    wire.sendall(answer[start : start + 7])

        threads.append(threading.Thread(target=take))
        threads[-1].start()
        return received

    yield serve
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_one_line_there_and_one_back(tmp_path: Path, serve: Serve) -> None:
    received = serve(tmp_path / "s", b'{"ok": true, "workers": [1, 2, 3]}\n')
    assert ask(tmp_path / "s", {"command": "scale", "workers": 3}, 10) == {"ok": True, "workers": [1, 2, 3]}
    assert received == [b'{"command": "scale", "workers": 3}\n']


def test_a_path_longer_than_a_socket_address(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    serve(folder / "prefork.sock", b'{"ok": true}\n')
    assert len(str(folder)) > 107
    assert ask(folder / "prefork.sock", {}, 10) == {"ok": True}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "closed the connection without an answer; it may have just stopped"),
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak Prefork's language; check data_dir"),
        (b"[1]\n", "does not speak Prefork's language; check data_dir"),
    ],
)
def test_answers_that_are_none(tmp_path: Path, serve: Serve, answer: bytes, sentence: str) -> None:
    serve(tmp_path / "s", answer)
    with pytest.raises(Unreachable, match=sentence):
        ask(tmp_path / "s", {}, 10)


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=f"no server runs at {tmp_path}/s"):
        ask(tmp_path / "s", {}, 1)
    with pytest.raises(Unreachable, match="no server runs at"):
        ask(tmp_path / ("long" * 30) / "s", {}, 1)


def test_a_socket_that_its_server_left_behind(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    with pytest.raises(Unreachable, match="is gone"):
        ask(tmp_path / "s", {}, 1)


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(Unreachable, match=r"did not answer within 0\.05 s"):
            ask(tmp_path / "s", {}, 0.05)
