"""How busy workers are: of our own server by both measures, of other people's servers by their processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from prefork.testing import free_port
from prefork.usage import of_server, of_tree
from prefork.usage.processes import crew

from .conftest import APPS, Echo
from .wire import Gate, Wire, until

BIN = Path(sys.executable).parent
SERVERS = {
    "gunicorn": ("gunicorn", "--workers=2", "--timeout=0", "--bind=127.0.0.1:{port}", "--no-control-socket", "labour:app"),
    "uwsgi": ("uwsgi", "--master", "--die-on-term", "--processes=2", "--http-socket=127.0.0.1:{port}", "--module=labour:app"),
}


def usage(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "prefork", "usage", "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_two_of_four_workers_that_wait_are_half_of_them_and_use_no_processor(echo: Echo, gates: Callable[[], Gate]) -> None:
    held = [gates(), gates()]
    with echo(workers=4) as server, ExitStack() as stack:
        place = ("--data-dir", server.data_dir)
        for gate in held:
            gate.hold(stack.enter_context(Wire(server)))
        found = usage(*place)
        assert (found["configured"], found["in_flight"]["busy"], found["in_flight"]["percent"]) == (4, 2, 50.0)
        assert (found["level"], found["recommendation"]) == ("normal", "no action needed")
        assert found["cpu"]["busy"] == 0
        assert found["health"]["disk"]["path"] == server.data_dir
        assert found["health"]["memory"]["total"] > found["health"]["memory"]["available"] > 0
        assert set(server.workers().values()) == {each["pid"] for each in found["workers"]}
        assert found["handing"]["on"] is False
        assert found["handing"]["requests"] == 0
        outside = of_tree(server.status()["pid"], None)
        assert (outside.configured, outside.flight) == (4, None), "from outside nobody sees requests"
        for gate in held:
            gate.open()
        until(lambda: (share := of_server(server.status).flight) and not share.percent, "all workers to be idle")


@contextmanager
def running(name: str, log: Path) -> Iterator[tuple[int, int]]:
    """Somebody else's server: its pid and port."""
    port = free_port()
    command = [word.format(port=port) for word in SERVERS[name]]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], cwd=APPS, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: answers(port), f"{name} to answer: {log}")
        until(lambda: len(crew(process.pid).workers) == 2, f"{name} to have its workers: {log}")
        yield process.pid, port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nobody's goodbye is of interest
        process.wait()


def answers(port: int) -> bool:
    try:
        with ask(port, "/") as client:
            return b"done" in b"".join(iter(lambda: client.recv(4096), b""))
    except OSError:
        return False


def ask(port: int, target: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(f"GET {target} HTTP/1.0\r\nHost: h\r\n\r\n".encode())
    return client


@pytest.mark.parametrize("name", SERVERS)
def test_of_another_server_it_sees_who_works_and_says_that_it_cannot_see_who_waits(name: str, tmp_path: Path) -> None:
    waiting, working = tmp_path / "waiting", tmp_path / "working"
    with running(name, tmp_path / "log") as (pid, port), ExitStack() as stack:
        waiting.touch()
        stack.enter_context(ask(port, f"/wait?{waiting}"))
        until((tmp_path / "waiting.seen").exists, "a request to wait")
        until(lambda: busy(pid) == 0, "nobody to work")
        working.touch()
        stack.enter_context(ask(port, f"/work?{working}"))
        until((tmp_path / "working.seen").exists, "a request to work")
        until(lambda: busy(pid) == 1, "one of two to work")
        found = usage("--pid", str(pid), "--workers", "4")
        assert (found["configured"], len(found["workers"]), found["in_flight"]) == (4, 2, None)
        assert found["cpu"]["percent"] == 25 * found["cpu"]["busy"]
        assert "it looks idle" in found["notes"][0]
        waiting.unlink()
        working.unlink()


def busy(pid: int) -> int:
    found = of_tree(pid, None)
    assert found.configured == len(found.spent) == 2
    return found.processor.busy
