"""The servers under measurement, as declarations: how each is started, who its workers are, what it supports.

Every server gets two workers and its own documented settings for a small machine; access logs are off unless the name says
otherwise. This module starts nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from processes import children, command_line

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "bench" / "apps"
PREFORK = ROOT / ".venv" / "bin"
PEERS = ROOT / ".venv-bench" / "bin"
WORKERS = 2
RELOAD = signal.SIGHUP


def only(*scenarios: str) -> frozenset[str]:
    """The scenarios a server takes part in."""
    return frozenset(scenarios)


ALL = only("hello", "shapes", "proxied", "stranding", "tail", "failures", "stall", "memory")


@dataclass(frozen=True)
class Launch:
    """What a scenario asks of a server: the application's module, where to listen, after how many requests to recycle.

    `files` is a directory to be served at /files, where bodies are large as well.
    """

    module: str
    port: int
    directory: Path
    recycle: int | None = None
    files: Path | None = None

    def option(self, flag: str) -> list[str]:
        """The recycling option under the server's own name; nothing where the scenario asks for none."""
        return [flag, str(self.recycle)] if self.recycle else []


@dataclass(frozen=True)
class Server:
    """One way of serving. `package` must be installed.

    `lacks` names what it cannot do: replace a killed worker, reload by HUP, recycle workers, heed `Connection: close`. Where it is
    `compiled`, Prefork has to be.
    """

    name: str
    package: str
    command: Callable[[Launch], list[str]]
    workers: Callable[[int, Path], list[int]]
    setup: str
    lacks: frozenset[str] = frozenset()
    scenarios: frozenset[str] = ALL
    count: int = WORKERS
    compiled: bool = False

    def can(self, ability: Literal["replace", "reload", "recycle", "close"]) -> bool:
        """Whether the server has an ability that some lack."""
        return ability not in self.lacks

    def supports(self, scenario: str) -> bool:
        """Whether the server takes part in the scenario."""
        return scenario in self.scenarios and (scenario != "stall" or self.can("reload"))


def prefork(log_level: str, *more: str, compiled: bool = False, **limits: float | str) -> Callable[[Launch], list[str]]:
    """Prefork's command, with the access log (`info`) or without (`warning`), with its limits or with others, and `more` flags. It
    runs from source unless it is to run `compiled`.
    """
    form = "--compiled" if compiled else "--no-compiled"

    def command(launch: Launch) -> list[str]:
        options = {
            "app-dir": APPS, "python": PEERS / "python", "workers": WORKERS, "http-interface": "127.0.0.1",
            "http-port": launch.port, "data-dir": launch.directory / "data", "logfile": launch.directory / "prefork.log",
            "log-level": log_level, "limit-request": launch.recycle or 0,
        }  # fmt: skip
        if launch.files:
            options |= {"max-body-size": "2G", "static": f"/files={launch.files}"}
        options |= {name.replace("_", "-"): value for name, value in limits.items()}
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return [str(PREFORK / "prefork"), "serve", f"{launch.module}:app", "--no-console", form, *more, *flags]

    return command


def prefork_status(directory: Path) -> dict[str, Any]:
    """What the control socket says (a relative address: AF_UNIX paths end at 107 bytes)."""
    handle = os.open(directory / "data", os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(f"/proc/self/fd/{handle}/prefork.sock")
            control.sendall(b'{"command": "status"}\n')
            answer: dict[str, Any] = json.loads(control.makefile().readline())
            return answer
    finally:
        os.close(handle)


def prefork_workers(_pid: int, directory: Path) -> list[int]:
    """The workers that can take requests, as those for WebSockets cannot."""
    workers = prefork_status(directory)["workers"]
    return [worker["pid"] for worker in workers if worker["pool"] == "http" and worker["state"] in ("idle", "busy")]


def gunicorn(*options: str) -> Callable[[Launch], list[str]]:
    """gunicorn's command with a worker class's options."""

    def command(launch: Launch) -> list[str]:
        address = ["--bind", f"127.0.0.1:{launch.port}", "--workers", str(WORKERS), "--no-control-socket"]
        return [str(PEERS / "gunicorn"), *address, *options, *launch.option("--max-requests"), f"{launch.module}:app"]

    return command


def uwsgi(*http: str) -> Callable[[Launch], list[str]]:
    """uWSGI's command with one of its ways to speak HTTP."""

    def command(launch: Launch) -> list[str]:
        workers = [
            "--master",
            "--processes",
            str(WORKERS),
            "--listen",
            "128",
            "--auto-procname",
            "--die-on-term",
            "--disable-logging",
        ]
        address = [http[0], f"127.0.0.1:{launch.port}", *http[1:]]
        return [
            str(PEERS / "uwsgi"),
            *address,
            *workers,
            "--need-app",
            *launch.option("--max-requests"),
            "--module",
            f"{launch.module}:app",
        ]

    return command


def granian(launch: Launch) -> list[str]:
    """Granian's command for WSGI; without the respawn option it stops when a worker dies."""
    address = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(launch.port), "--workers", str(WORKERS)]
    return [str(PEERS / "granian"), *address, "--respawn-failed-workers", f"{launch.module}:app"]


def granian_logging(launch: Launch) -> list[str]:
    """The same, and what it writes, which goes to a file, has a line for each request."""
    *command, application = granian(launch)
    return [*command, "--access-log", application]


def uvicorn(launch: Launch) -> list[str]:
    """uvicorn's command, for the application's ASGI form."""
    address = ["--host", "127.0.0.1", "--port", str(launch.port), "--workers", str(WORKERS), "--no-access-log"]
    return [str(PEERS / "uvicorn"), *address, *launch.option("--limit-max-requests"), f"{launch.module}:asgi_app"]


def bjoern(launch: Launch) -> list[str]:
    """bjoern has no command; a launcher forks it twice."""
    return [str(PEERS / "python"), str(APPS / "bjoern_twice.py"), launch.module, str(launch.port)]


def echo(launch: Launch) -> list[str]:
    """The C loop's command."""
    return [str(PEERS / "echo"), str(launch.port)]


def waitress(launch: Launch) -> list[str]:
    """waitress's command: one process."""
    return [str(PEERS / "waitress-serve"), f"--listen=127.0.0.1:{launch.port}", f"{launch.module}:app"]


def elsewhere(_launch: Launch) -> list[str]:
    """What serves nothing has its commands in its scenario."""
    return []


def direct_children(pid: int, _directory: Path) -> list[int]:
    """Workers that are the first process's children; what multiprocessing adds for itself is no worker."""
    return [child for child in children(pid) if "resource_tracker" not in command_line(child)]


def uwsgi_workers(pid: int, _directory: Path) -> list[int]:
    """uWSGI's workers by their title; its HTTP router is another child."""
    return [child for child in children(pid) if "worker" in command_line(child)]


def itself(pid: int, _directory: Path) -> list[int]:
    """A server of one process is its own worker."""
    return [pid]


UNSUPERVISED = frozenset({"replace", "reload", "recycle"})
UWSGI_ROUTER = "HTTP router with keep-alive; loads before the fork; closes connections unannounced, which wrk counts as errors"
UWSGI_HTTP11 = "workers speak HTTP/1.1, each to one kept-alive connection at a time; ignores `Connection: close`"
GRANIAN = "WSGI, --respawn-failed-workers (it ends itself when a worker dies twice within 5.5 s)"
PRELOAD = "sync workers, --preload (a reload by HUP then keeps the old code)"
SERVERS = (
    Server(
        "prefork",
        "prefork",
        prefork("info"),
        prefork_workers,
        "from source, access log to a file",
        scenarios=ALL | only("slow_clients", "transfer"),
    ),
    Server(
        "prefork-lent",
        "prefork",
        prefork("info", "--lend-connections"),
        prefork_workers,
        "as above, lend_connections",
        scenarios=only("hello", "shapes", "proxied", "stranding", "tail", "failures"),
    ),
    Server(
        "prefork-compiled",
        "prefork",
        prefork("info", compiled=True),
        prefork_workers,
        "compiled (`make compiled`), access log to a file",
        scenarios=only("hello", "shapes", "proxied"),
        compiled=True,
    ),
    Server(
        "prefork-lent-compiled",
        "prefork",
        prefork("info", "--lend-connections", compiled=True),
        prefork_workers,
        "as above, lend_connections",
        scenarios=only("hello", "shapes", "proxied", "stranding", "tail", "failures"),
        compiled=True,
    ),
    Server(
        "gunicorn-sync",
        "gunicorn",
        gunicorn(),
        direct_children,
        "sync workers; closes every connection",
        scenarios=ALL - only("shapes"),
    ),
    Server(
        "gunicorn-gthread",
        "gunicorn",
        gunicorn("--worker-class", "gthread", "--threads", "4"),
        direct_children,
        "gthread workers of 4 threads",
        scenarios=ALL - only("memory"),
    ),
    Server("gunicorn-preload", "gunicorn", gunicorn("--preload"), direct_children, PRELOAD, scenarios=only("memory")),
    Server(
        "uwsgi",
        "uWSGI",
        uwsgi("--http", "--http-keepalive"),
        uwsgi_workers,
        UWSGI_ROUTER,
        scenarios=ALL - only("shapes"),
    ),
    Server(
        "uwsgi-http11",
        "uWSGI",
        uwsgi("--http11-socket"),
        uwsgi_workers,
        UWSGI_HTTP11,
        lacks=frozenset({"close"}),
        scenarios=only("hello", "shapes"),
    ),
    Server("granian", "granian", granian, direct_children, GRANIAN, lacks=frozenset({"recycle"})),
    Server("granian-log", "granian", granian_logging, direct_children, "as above, access log to a file", scenarios=only("hello")),
    Server("uvicorn", "uvicorn", uvicorn, direct_children, "the application's ASGI form; uvloop and httptools"),
    Server("bjoern", "bjoern", bjoern, direct_children, "two forked processes on one socket, no supervisor", lacks=UNSUPERVISED),
    Server(
        "c-echo",
        "echo.c",
        echo,
        itself,
        "a loop in C, two processes, that sends the same bytes for whatever comes: what the kernel takes",
        lacks=UNSUPERVISED,
        scenarios=only("hello"),
    ),
    Server(
        "waitress",
        "waitress",
        waitress,
        itself,
        "one process of 4 threads, no supervisor",
        lacks=UNSUPERVISED,
        scenarios=only("hello", "proxied", "memory"),
    ),
)
QUEUES = (
    Server(
        "prefork",
        "prefork",
        elsewhere,
        itself,
        "one server without HTTP; four workers for jobs; PostgreSQL",
        scenarios=only("jobs"),
    ),
    Server(
        "procrastinate", "procrastinate", elsewhere, itself, "four workers of concurrency 1; PostgreSQL", scenarios=only("jobs")
    ),
    Server("celery", "celery", elsewhere, itself, "a pool of four processes, acknowledged late; Redis", scenarios=only("jobs")),
    Server(
        "prefork-jobs",
        "prefork",
        prefork("warning", job_source="page:Endless", max_cron_threads=WORKERS, limit_time_cpu=0, limit_time_real_cron=0),
        prefork_workers,
        "two workers for jobs beside those for requests, without limits of time",
        scenarios=only("cron-half", "cron-most", "cron-full"),
    ),
    Server(
        "prefork-stores",
        "prefork",
        prefork("info", jobs="queue_prefork", max_cron_threads=0),
        prefork_workers,
        "two workers for requests, and the server's own PostgreSQL",
        scenarios=only("database"),
    ),
)
