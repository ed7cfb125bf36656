"""Where a scenario gets its server: started for one application in a directory of its own, ended when the scenario leaves.

Also the things every scenario does to a server: find its workers, kill one, reload and wait until the new code answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from drive import get
from processes import Running, ServerFailed, free_port, running
from servers import APPS, RELOAD, Launch, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE = 0.3
RELOAD_TIMEOUT = 12.0
NEW_ANSWERS = 20


@dataclass(frozen=True)
class Served:
    """A server that serves one application."""

    server: Server
    process: Running
    directory: Path

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self.process.port

    def workers(self) -> list[int]:
        """The process ids of its workers, as it stands."""
        return self.server.workers(self.process.pid, self.directory)

    def await_workers(self) -> list[int]:
        """Wait until every worker is there, then a moment for the last to finish; raises ServerFailed."""
        expected = self.server.count if self.server.can("replace") else 1
        deadline = time.monotonic() + 10
        while len(found := self.workers()) < expected:
            if time.monotonic() > deadline:
                raise ServerFailed(f"{len(found)} workers instead of {expected}: {self.process.last_lines()}")
            time.sleep(0.05)
        time.sleep(SETTLE)
        return found

    def kill_worker(self, turn: int) -> None:
        """End one of the workers with SIGKILL, another at each turn; nothing where none is left."""
        if workers := self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[turn % len(workers)], signal.SIGKILL)

    def reload(self) -> float:
        """Reload by HUP; seconds until only new code answered. Raises ServerFailed after RELOAD_TIMEOUT."""
        began = time.monotonic()
        self.process.signal(RELOAD)
        new, first = 0, began
        while new < NEW_ANSWERS:
            booted = get(self.port, "/boot")
            is_new = booted is not None and float(booted) > began
            first = first if new else time.monotonic()
            new = new + 1 if is_new else 0
            if time.monotonic() - began > RELOAD_TIMEOUT:
                raise ServerFailed(f"new code does not answer {RELOAD_TIMEOUT:.0f} s after HUP: {self.process.last_lines()}")
            time.sleep(0.02)
        return first - began


@dataclass(frozen=True)
class Lab:
    """What a run allows its scenarios: `quick` means the shortest times that still show something.

    `curves` is where they leave what is more than a figure: points by server, those of the last round.
    """

    quick: bool = False
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def seconds(self, usual: float, quick: float) -> float:
        """A duration that depends on the kind of run."""
        return quick if self.quick else usual

    @contextlib.contextmanager
    def serve(
        self, server: Server, module: str, *, recycle: int | None = None, import_seconds: float = 0, files: Path | None = None
    ) -> Iterator[Served]:
        """The server with one of bench/apps; `files` has the file of the transfers. Raises ServerFailed if it does not come up."""
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            directory = Path(name)
            (directory / "data").mkdir(mode=0o700)
            launch = Launch(module, free_port(), directory, recycle, files)
            environment = {"PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "BENCH_IMPORT_SECONDS": str(import_seconds)}
            environment |= {"BENCH_FILE": str(files / "file")} if files else {}
            with running(server.command(launch), launch.port, directory / "log", environment, directory) as process:
                served = Served(server, process, directory)
                served.await_workers()
                yield served
