"""The same bursts for a fixed number of workers, for one that the server finds, and for uWSGI's cheaper with `busyness`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predicted.cells import served, workers_of
from predicted.client import replay
from predicted.mixes import RACE
from processes import children, free_port, running
from servers import APPS, PREFORK

if TYPE_CHECKING:
    from predicted.client import Seen

LEAST, MOST = 1, 6


@dataclass(frozen=True)
class Runner:
    """One way to have workers: its p50, p95 and p99 of the wait for one (seconds), and the seconds of all of them together."""

    name: str
    setup: str
    p50: float
    p95: float
    p99: float
    worker_seconds: float
    most: int
    failures: int


def race(seconds: float) -> list[Runner]:
    """One after the other. Raises ServerFailed."""
    items = RACE.items(seconds)
    found = []
    for name, setup, options in (
        (f"prefork, {MOST} workers", f"`workers = {MOST}`", ["--workers", str(MOST)]),
        (
            "prefork, auto",
            f"`workers = auto`, {LEAST} to {MOST}",
            ["--workers", "auto", "--workers-min", str(LEAST), "--workers-max", str(MOST)],
        ),
    ):
        with served(options) as (process, directory):
            seen = replay(process.port, items, lambda directory=directory: workers_of(directory))
        found.append(runner(name, setup, seen))
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory_name:
        directory, port = Path(directory_name), free_port()
        with running(uwsgi(port), port, directory / "log", {"PYTHONPATH": str(APPS)}, directory) as process:
            seen = replay(port, items, lambda: len(children(process.pid)))
    found.append(runner("uWSGI, cheaper busyness", f"`cheaper = {LEAST}`, `processes = {MOST}`, its defaults for the rest", seen))
    return found


def runner(name: str, setup: str, seen: Seen) -> Runner:
    """What came of one."""
    waits = (seen.wait(share) for share in (0.5, 0.95, 0.99))
    return Runner(name, setup, *waits, seen.worker_seconds, seen.most_workers, seen.failures)


def uwsgi(port: int) -> list[str]:
    """uWSGI's command."""
    return [
        str(PREFORK / "uwsgi"), "--master", "--http-socket", f"127.0.0.1:{port}", "--listen", "128", "--auto-procname",
        "--die-on-term", "--disable-logging", "--need-app", "--processes", str(MOST), "--cheaper", str(LEAST),
        "--cheaper-initial", str(LEAST), "--cheaper-algo", "busyness", "--module", "work:app",
    ]  # fmt: skip
