"""The processes of one server under measurement, as /proc tells them: the tree, its CPU time, its memory; starting and ending it.

The benchmark adopts whatever a server orphans, so everything that came of a server is below the benchmark and is ended with
it. This module must never signal a process that is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
START_TIMEOUT = 30.0
STOP_TIMEOUT = 4.0


class ServerFailed(Exception):
    """A server did not start, stop or answer as the scenario needs; the message ends with its last log lines."""


@dataclass(frozen=True)
class Running:
    """A server that answers: its first process, its port and where it writes."""

    pid: int
    port: int
    log: Path

    def tree(self) -> list[int]:
        """Every process of the server, the first one included."""
        return [self.pid, *descendants(self.pid)]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process."""
        os.kill(self.pid, number)

    def last_lines(self, count: int = 6) -> str:
        """The end of the server's log, on one line."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " | ".join(line.strip() for line in lines[-count:]) or "no log"


def adopt_orphans() -> None:
    """Make this process the parent of whatever a server orphans, so that nothing is left running."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the benchmark cannot become a subreaper")


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name (the first is the state); empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def parents() -> dict[int, int]:
    """The parent of every process on the machine."""
    found = {pid: stat(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
    return {pid: int(fields[1]) for pid, fields in found.items() if fields}


def descendants(root: int) -> list[int]:
    """The processes below `root`, children before their own children."""
    parent_of = parents()
    found = [root]
    for ancestor in found:
        found += [pid for pid, parent in parent_of.items() if parent == ancestor]
    return found[1:]


def children(parent: int) -> list[int]:
    """The living processes right below `parent`, oldest first."""
    return sorted(pid for pid, ppid in parents().items() if ppid == parent and stat(pid)[:1] not in ([], ["Z"]))


def command_line(pid: int) -> str:
    """The process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of these processes in seconds, user and system, with that of the children they have reaped."""
    return sum(sum(map(int, fields[11:15])) for fields in map(stat, pids) if fields) / TICKS


def pss_mib(pid: int) -> float:
    """Proportional set size in MiB: each page divided by the number of processes that map it; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def resident_mib(pid: int) -> float:
    """Resident memory in MiB, shared pages counted whole; 0 when the process is gone."""
    fields = stat(pid)
    return int(fields[21]) * PAGE / (1 << 20) if fields else 0.0


def free_port() -> int:
    """A loopback port below the ephemeral range that nothing listens on."""
    while True:
        port = randrange(20000, 32000)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, environment: Mapping[str, str], directory: Path) -> Iterator[Running]:
    """A server that answers on `port`, ended with all its processes on leaving. Raises ServerFailed if it never answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd=directory, env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
    server = Running(process.pid, port, log)
    try:
        await_answer(server, process)
        yield server
    finally:
        stop(process)


def await_answer(server: Running, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; raise ServerFailed when it has ended or START_TIMEOUT is over."""
    deadline = time.monotonic() + START_TIMEOUT
    while not answers(server.port):
        if process.poll() is not None:
            raise ServerFailed(f"ended with exit code {process.returncode}: {server.last_lines()}")
        if time.monotonic() > deadline:
            raise ServerFailed(f"no answer after {START_TIMEOUT:.0f} s: {server.last_lines()}")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Whether a request for `/` is answered with 200 within two seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, wait, and end what is left below the benchmark: orphans were adopted, so that is all of it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(STOP_TIMEOUT)
    deadline = time.monotonic() + STOP_TIMEOUT
    while left := descendants(os.getpid()):
        if time.monotonic() > deadline:
            raise ServerFailed(f"processes {left} survive SIGKILL")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap_orphans()
        time.sleep(0.01)


def reap_orphans() -> None:
    """Collect every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
