"""The server's own database: how soon it is ready at the first start, at later ones, and after SIGKILL of every process."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Column
from processes import ServerFailed, free_port, running
from scenarios.jobs import run, stamps
from servers import APPS, PEERS, PREFORK, Launch
from stores import await_

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Lab
    from processes import Running
    from servers import Server

NAME = "database"
ROUNDS = 5
TITLE = "The server's own database"
METHOD = (
    "Seconds from the master's start of PostgreSQL until it takes connections: when its directory is made, when it was stopped, "
    "and when every process of the server was killed (SIGKILL) while it had 100 deferred jobs and no worker for them. *Jobs lost* "
    "are those that the next start has not done."
)
COLUMNS = (
    Column("first", "first start, s", decimals=2),
    Column("later", "later start, s", decimals=2),
    Column("killed", "start after SIGKILL, s", decimals=2),
    Column("lost", "jobs lost", summary="total"),
)
JOBS = 100
READY = re.compile(r"database \(pid \d+\) is ready after ([\d.]+) s")


def measure(server: Server, _lab: Lab) -> dict[str, float]:
    """Three starts in one directory."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (directory / "data").mkdir(mode=0o700)
        with started(server, directory):
            pass
        with started(server, directory) as process:
            defer(directory)
            for pid in process.tree():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with started(server, directory, "--max-cron-threads", "2"), contextlib.suppress(ServerFailed):
            await_(lambda: len(stamps(directory)) >= JOBS, "the jobs are not done")
        first, later, killed = seconds(directory)
        return {"first": first, "later": later, "killed": killed, "lost": JOBS - len(stamps(directory))}


@contextlib.contextmanager
def started(server: Server, directory: Path, *flags: str) -> Iterator[Running]:
    """The server, whose database is ready."""
    launch = Launch("hello", free_port(), directory)
    environment = {"PYTHONPATH": str(APPS), "BENCH_STAMPS": str(directory / "stamps")}
    had = len(seconds(directory))
    with running([*server.command(launch), *flags], launch.port, directory / "log", environment, directory) as process:
        await_(lambda: len(seconds(directory)) > had, "the database is not ready")
        yield process


def defer(directory: Path) -> None:
    """Jobs that wait for a worker."""
    address = f"host={directory / 'data' / 'postgres'} user=postgres dbname=postgres"
    paths = os.pathsep.join([str(APPS), str(PREFORK.parent.parent / "src")])
    environment = {"PYTHONPATH": paths, "BENCH_STAMPS": str(directory / "stamps"), "PREFORK_STORE_DSN": address}
    run([str(PEERS / "python"), str(APPS / "queue_prefork.py"), "fill", str(JOBS)], environment)


def seconds(directory: Path) -> list[float]:
    """What each start of the database took, as the server's log has it."""
    log = directory / "prefork.log"
    return [float(found) for found in READY.findall(log.read_text())] if log.exists() else []
