"""The two servers, each started from the same odoo.conf in a directory of its own, and what /proc tells of them.

Everything that came of a server has its mark in its environment or is in its session, and is ended with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.odoo.installation import ADDONS

from drive import get
from prefork.testing.processes import MARK, kill_all, marked
from processes import ServerFailed, command_line, free_port, pss_mib
from servers import PREFORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.odoo.installation import Estate, Installation

OWN, OURS, LENT = "Odoo's own", "Prefork", "Prefork lending"
WORKERS = 2
BOOT_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
LIVE = re.compile(r" gevent |^prefork: websocket")  # the process for live connections, by its command line or title


def own(installation: Installation, configuration: Path) -> list[str]:
    """Odoo's own server."""
    return [str(installation.python), str(installation.tree / "odoo-bin"), "-c", str(configuration)]


def prefork(installation: Installation, configuration: Path) -> list[str]:
    """Prefork."""
    which = ["--odoo", str(installation.tree), "--python", str(installation.python)]
    return [str(PREFORK / "prefork"), "serve", "-c", str(configuration), "--no-console", *which]


def lending(installation: Installation, configuration: Path) -> list[str]:
    """Prefork, whose workers read kept-alive connections themselves."""
    return [*prefork(installation, configuration), "--lend-connections"]


SERVERS: dict[str, Callable[[Installation, Path], list[str]]] = {OWN: own, OURS: prefork, LENT: lending}


@dataclass(frozen=True)
class Served:
    """A server that answers. `boot` is how many seconds that took."""

    pid: int
    port: int
    directory: Path
    database: str
    boot: float
    mark: str

    def tree(self) -> list[int]:
        """All its processes."""
        return marked(self.mark, self.pid)

    def memory(self) -> dict[str, float]:
        """Proportional set size in MiB: `all`, and `plain` without the process for live connections."""
        sizes = {pid: pss_mib(pid) for pid in self.tree()}
        return {"all": sum(sizes.values()), "plain": sum(size for pid, size in sizes.items() if not LIVE.search(command_line(pid)))}

    def log(self) -> str:
        """Everything that it wrote."""
        files = (self.directory / name for name in ("odoo.log", "output", "data/incidents.jsonl"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def reload(self) -> None:
        """Ask for a reload, by HUP."""
        os.kill(self.pid, signal.SIGHUP)


@contextlib.contextmanager
def serving(name: str, estate: Estate, database: str, **options: object) -> Iterator[Served]:
    """A server with a fresh copy of the database. Raises ServerFailed when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as place:
        directory = Path(place)
        estate.copy(database, directory / "data")
        port = free_port()
        configuration = configure(directory, estate, port, {"db_name": database, **options})
        mark = str(uuid.uuid4())
        # Odoo's own reload looks for its interpreter in PATH.
        path = f"{estate.installation.python.parent}:{os.environ['PATH']}"
        began = time.monotonic()
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(
                SERVERS[name](estate.installation, configuration), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=directory, env={**os.environ, MARK: mark, "PATH": path}, start_new_session=True,
            )  # fmt: skip
        served = Served(process.pid, port, directory, database, 0.0, mark)
        try:
            await_answer(served, process)
            yield replace(served, boot=time.monotonic() - began)
        finally:
            stop(served, process)


def configure(directory: Path, estate: Estate, port: int, options: dict[str, object]) -> Path:
    """Write the odoo.conf."""
    (directory / "data").mkdir(mode=0o700, exist_ok=True)
    evented = "gevent_port" if estate.installation.version > 16 else "longpolling_port"
    own = {
        "addons_path": estate.installation.addons_path(ADDONS), "data_dir": directory / "data",
        "http_interface": "127.0.0.1", "http_port": port, evented: free_port(), "workers": WORKERS, "max_cron_threads": 1,
        "logfile": directory / "odoo.log",
    }  # fmt: skip
    lines = [f"{name} = {value}" for name, value in {**estate.address(), **own, **options}.items()]
    file = directory / "odoo.conf"
    file.write_text("\n".join(["[options]", *lines, ""]))
    return file


def await_answer(served: Served, process: subprocess.Popen[bytes]) -> None:
    """Wait until the page for logging in is answered."""
    deadline = time.monotonic() + BOOT_TIMEOUT
    while get(served.port, "/web/login", timeout=BOOT_TIMEOUT) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerFailed(f"no answer, exit status {process.poll()}: {' | '.join(served.log().splitlines()[-8:])}")
        time.sleep(0.02)


def stop(served: Served, process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, wait, and end what is left of it."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)
    while left := served.tree():
        kill_all(left)
        process.poll()
        time.sleep(0.02)
    process.wait()
