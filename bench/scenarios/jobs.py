"""Scheduled jobs: how many a second four workers do of empty ones, and how soon an idle worker begins one."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from figures import Column
from processes import ServerFailed, free_port
from servers import APPS, PEERS, PREFORK
from stores import await_, ended, postgres, redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import Lab
    from servers import Server

NAME = "jobs"
ROUNDS = 3
TITLE = "Scheduled jobs"
METHOD = (
    "4 000 jobs that only note the time are deferred before four worker processes start; the rate is that from the time when a "
    "tenth of them is done until the last one. Then twenty jobs come one after the other, from another process that has its "
    "connection, and the delay is from just before one is deferred until it runs. Prefork and procrastinate keep their jobs in a "
    "PostgreSQL with its defaults, which survive a power failure, Celery its own in a Redis with the defaults, which do not."
)
COLUMNS = (
    Column("rate", "jobs/s", ratio=True),
    Column("delay", "delay, median ms", decimals=1, ratio=True),
    Column("longest", "delay, longest ms", decimals=1),
)
WORKERS = 4
JOBS, JOBS_QUICK = 4000, 1000
RINGS = 20
DRAINED = 120.0  # seconds


@dataclass(frozen=True)
class Queue:
    """A way to have jobs done: the module in bench/apps, what keeps them, what prepares that, and the workers' commands."""

    module: str
    store: Callable[[Path], contextlib.AbstractContextManager[str]]
    commands: Callable[[Path, str], list[list[str]]]
    prepare: tuple[str, ...] = ()


def prefork(directory: Path, _address: str) -> list[list[str]]:
    """One server without HTTP; it finds the database's address in its variable."""
    options = {
        "app-dir": APPS, "python": PEERS / "python", "jobs": "queue_prefork",
        "max-cron-threads": WORKERS, "data-dir": directory / "data", "http-port": free_port(),
    }  # fmt: skip
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return [[str(PREFORK / "prefork"), "serve", "hello:app", "--no-http-enable", "--no-console", *flags]]


def procrastinate(_directory: Path, _address: str) -> list[list[str]]:
    """Its worker is one process."""
    return [[str(PEERS / "procrastinate"), "--app=queue_procrastinate.app", "worker", "--concurrency=1"]] * WORKERS


def celery(_directory: Path, _address: str) -> list[list[str]]:
    """Its worker has a pool of processes."""
    flags = ["--pool=prefork", f"--concurrency={WORKERS}", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
    return [[str(PEERS / "celery"), "--app=queue_celery", "worker", *flags]]


QUEUES = {
    "prefork": Queue("queue_prefork", postgres, prefork),
    "procrastinate": Queue(
        "queue_procrastinate", postgres, procrastinate, ("procrastinate", "--app=queue_procrastinate.app", "schema", "--apply")
    ),
    "celery": Queue("queue_celery", redis, celery),
}


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """All jobs of one queue, then some with pauses."""
    queue = QUEUES[server.name]
    jobs = JOBS_QUICK if lab.quick else JOBS
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "data").mkdir(mode=0o700)
        with queue.store(directory) as address:
            environment = {
                "PYTHONPATH": os.pathsep.join(paths(server)), "BENCH_STAMPS": str(directory / "stamps"),
                "BENCH_POSTGRES": address, "BENCH_REDIS": address, "PREFORK_STORE_DSN": address,
            }  # fmt: skip
            if queue.prepare:
                run([str(PEERS / queue.prepare[0]), *queue.prepare[1:]], environment)
            run([str(PEERS / "python"), str(APPS / f"{queue.module}.py"), "fill", str(jobs)], environment)
            with working(queue.commands(directory, address), directory, environment):
                await_(lambda: len(stamps(directory)) >= jobs, "the jobs are not done", DRAINED)
                done = sorted(stamps(directory))
                asked = run([str(PEERS / "python"), str(APPS / f"{queue.module}.py"), "ring", str(RINGS)], environment)
                await_(lambda: len(stamps(directory)) >= jobs + 1 + RINGS, "the last jobs are not done")
                begun = sorted(stamps(directory))[-RINGS:]
    delays = [(then - before) * 1000 for then, before in zip(begun, map(float, asked.split()), strict=True)]
    tenth = jobs // 10
    return {"rate": (jobs - tenth) / (done[-1] - done[tenth - 1]), "delay": median(delays), "longest": max(delays)}


def paths(server: Server) -> list[str]:
    """Where a client finds its module, and Prefork, which is not installed among its peers."""
    return [str(APPS), *([str(PREFORK.parent.parent / "src")] if server.name == "prefork" else [])]


@contextlib.contextmanager
def working(commands: list[list[str]], directory: Path, environment: dict[str, str]) -> Iterator[None]:
    """The workers at work, ended on leaving."""
    with contextlib.ExitStack() as stack:
        for command in commands:
            stack.enter_context(ended(command, directory, lambda: True, **environment))
        yield


def run(command: list[str], environment: dict[str, str]) -> str:
    """What a command prints. Raises ServerFailed."""
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ServerFailed(f"{command[0]}: {result.stderr.strip()[-300:]}")
    return result.stdout


def stamps(directory: Path) -> list[float]:
    """The times at which jobs were done."""
    try:
        return [moment for (moment,) in struct.iter_unpack("d", (directory / "stamps").read_bytes())]
    except FileNotFoundError:
        return []
