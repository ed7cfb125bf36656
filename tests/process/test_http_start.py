"""When a server lets clients in: at once, or when it can serve them."""

import os
import signal
import sys
from pathlib import Path

import pytest

from prefork.testing import Server

from .conftest import APPS
from .wire import HEAD, Wire, until

APP = """
import pathlib, time
from wsgiref.validate import validator

pathlib.Path({asked!r}).touch()
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.01)

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"ready"]
"""

HANGING = """
import os, pathlib

def hang():
    pathlib.Path({asked!r}).touch()
    os.read(os.pipe()[0], 1)

os.register_at_fork(before=hang)

def app(environ, start_response):
    raise AssertionError("nobody can be asked")
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The application beside it is loaded when this is there, and says in `asked` that it waits."""
    found = tmp_path / "gate"
    (tmp_path / "gated.py").write_text(APP.format(gate=str(found), asked=str(tmp_path / "asked")))
    return found


def launched(gate: Path, **options: object) -> Server:
    """A server whose application waits to be loaded."""
    server = Server("gated:app", gate.parent, workers=1, **options).launch()
    until((gate.parent / "asked").exists, "the application to be loaded")
    return server


def test_clients_wait_for_a_server_that_starts(gate: Path) -> None:
    server = launched(gate)
    try:
        with Wire(server) as early:
            early.send(HEAD)
            gate.touch()
            assert early.answer().body == b"ready"
    finally:
        server.close()


def test_clients_are_refused_until_a_worker_is_ready(gate: Path) -> None:
    server = launched(gate, listen_when_ready=True)
    try:
        with pytest.raises(ConnectionRefusedError):
            Wire(server)
        assert not server.events("listening")
        gate.touch()
        server.wait_for("server_ready")
        assert server.events("listening")
        with Wire(server) as client:
            assert client.get().body == b"ready"
    finally:
        server.close()


def test_a_dispatcher_that_dies_later_holds_nobody_off(gate: Path) -> None:
    gate.touch()
    with Server("gated:app", gate.parent, workers=1, listen_when_ready=True) as server:
        mark = server.mark()
        os.kill(server.status()["dispatcher"]["pid"], signal.SIGKILL)
        server.wait_for("dispatcher_died", after=mark)
        with Wire(server) as client:
            assert client.get().body == b"ready"


def test_a_server_that_lets_nobody_in_yet_can_be_stopped(gate: Path) -> None:
    server = launched(gate, listen_when_ready=True)
    server.signal(signal.SIGTERM)
    assert server.exit_status() == 0
    server.close()


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """The application beside it hangs whenever its process is to fork, and says so in this file."""
    found = tmp_path / "asked"
    (tmp_path / "hanging.py").write_text(HANGING.format(asked=str(found)))
    return found


def test_a_template_that_never_forks_is_a_failed_start(hanging: Path) -> None:
    server = Server("hanging:app", hanging.parent, workers=2, boot_timeout="5").launch()
    try:
        assert server.exit_status() == 3
        (failed,) = server.events("template_failed")
        assert failed["reason"] == "it did not fork a worker within boot_timeout and is started again"
    finally:
        server.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_stop_does_not_wait_for_a_template_that_never_forks(hanging: Path, again: bool) -> None:
    server = Server("hanging:app", hanging.parent, workers=2, graceful_timeout="60" if again else "0").launch()
    try:
        until(hanging.exists, "a worker to be forked")
        server.signal(signal.SIGTERM)
        if again:
            server.wait_for("stopping")
            server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
        (forced,) = server.events("stop_forced")
        assert forced["reason"] == ("SIGTERM came again" if again else "a worker was not forked in time")
    finally:
        server.close()


def test_as_many_files_are_opened_as_there_is_need_for_and_applications_keep_their_limit() -> None:
    server = Server("looped:app", APPS, workers=3, concurrency=240)
    server.command = ("sh", "-c", 'ulimit -Sn 600; exec "$@"', "sh", sys.executable, "-m", "prefork")
    with server:
        assert server.status()["ready"] == 3
        assert not server.events("fault_contained")
        for pid in server.workers().values():
            (limit,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")]
            assert limit.split()[3] == "600"
