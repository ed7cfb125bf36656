"""The load on a server, from the benchmark's side: the measuring client and wrk as processes, and their findings.

Both run as processes of their own, so that neither the benchmark nor one load slows another's clock. A load that is begun is
always ended, also when the scenario fails.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).with_name("client.py")
CROWD = Path(__file__).with_name("crowd.py")
AUDIENCE = Path(__file__).with_name("audience.py")
HAUL = Path(__file__).with_name("haul.py")
PUT = Path(__file__).with_name("put.lua")
HAUL_TIMEOUT = 120.0
CLIENT_TIMEOUT = 40.0


@dataclass
class Findings:
    """What a client saw: latencies in seconds, ascending, and its failures by kind."""

    latencies: list[float]
    failures: dict[str, int]

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(self.failures.values())

    @property
    def longest(self) -> float:
        """The longest answered request in seconds; 0 when none was."""
        return self.latencies[-1] if self.latencies else 0.0


def run_client(kind: str, port: int, path: str, *options: str) -> Findings:
    """Run a client that ends by itself. Raises ServerFailed if it does not."""
    with client(kind, port, path, *options) as load:
        return load.finish()


class Load:
    """A client at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def finish(self) -> Findings:
        """Close the client's standard input, which ends a closed loop, and read what it found."""
        try:
            output, _ = self.process.communicate(timeout=CLIENT_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"the client had no end to its requests within {CLIENT_TIMEOUT:.0f} s") from None
        if self.process.returncode != 0:
            raise ServerFailed(f"the client ended with exit code {self.process.returncode}")
        return Findings(**json.loads(output))


@contextlib.contextmanager
def client(kind: str, port: int, path: str, *options: str) -> Iterator[Load]:
    """The measuring client with this command line; ended on leaving."""
    command = [sys.executable, str(CLIENT), kind, str(port), path, *options]
    # A process group of its own: an interrupt at the terminal is the benchmark's to act on.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        try:
            yield Load(process)
        finally:
            process.kill()


def haul(way: str, port: int, path: str, *file: str) -> float:
    """One large transfer, `down` or `up`; MiB per second. Raises ServerFailed."""
    command = [sys.executable, str(HAUL), way, str(port), path, *file]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HAUL_TIMEOUT, check=False)
    if result.returncode != 0:
        raise ServerFailed(f"{way} {path}: {result.stderr.strip()[-200:]}")
    found = json.loads(result.stdout)
    return float(found["bytes"]) / found["seconds"] / (1 << 20)


class Crowd:
    """Many clients at work, stage by stage; each stage says what it has."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def stage(self) -> dict[str, Any]:
        """Wait until a stage is reached. Raises ServerFailed."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise ServerFailed(f"the clients ended with exit code {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def go_on(self, word: str = "") -> None:
        """Have the next stage begin."""
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """Let all of them leave."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.stage()


@contextlib.contextmanager
def crowd(port: int, idle: int, senders: int, readers: int) -> Iterator[Crowd]:
    """The slow clients; ended on leaving. Their stages are bounded in time by themselves."""
    with staged(CROWD, port, idle=idle, senders=senders, readers=readers) as slow:
        yield slow


@contextlib.contextmanager
def audience(port: int, clients: int, channels: int, rate: int = 1_000_000) -> Iterator[Crowd]:
    """WebSockets; ended on leaving. In each stage but the first and the last they hear as many messages as they are told."""
    with staged(AUDIENCE, port, clients=clients, channels=channels, rate=rate) as listeners:
        yield listeners


@contextlib.contextmanager
def staged(program: Path, port: int, **numbers: int) -> Iterator[Crowd]:
    """A program that does its work in stages, with these options."""
    command = [sys.executable, str(program), str(port), *(f"--{kind}={number}" for kind, number in numbers.items())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        try:
            yield Crowd(process)
        finally:
            process.kill()


@contextlib.contextmanager
def both_loads(port: int, path: str) -> Iterator[dict[str, Load]]:
    """Two closed loops of four threads at once: one with a new connection for each request, one over kept-alive connections."""
    with client("closed", port, path) as new, client("closed", port, path, "--keep-alive") as kept:
        yield {"new": new, "kept": kept}


def get(port: int, path: str, timeout: float = 10.0) -> str | None:
    """The body of one answer over a connection of its own; None without a 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None


def wrk(
    port: int, connections: int, seconds: float, *, keep_alive: bool, path: str = "/", script: Path | None = None
) -> dict[str, float]:
    """Raw load on a path with wrk, in whole seconds: `requests`, `rate` (requests/s), `errors`. `script` says what else is sent.

    Raises ServerFailed if nothing was answered.
    """
    options = [] if keep_alive else ["--header", "Connection: close"]
    options += ["--script", str(script)] if script else []
    target = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", *options, target]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, check=False)
    found = read_wrk(result.stdout)
    if not found["requests"]:
        raise ServerFailed(f"wrk got no answer: {(result.stderr or result.stdout).strip()[-200:]}")
    return found


def read_wrk(text: str) -> dict[str, float]:
    """The figures in wrk's report."""
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", text)
    socket_errors = re.search(r"Socket errors: (.+)", text)
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(map(int, re.findall(r"\d+", socket_errors[1]))) if socket_errors else 0
    return {
        "requests": float(requests[1]) if requests else 0.0,
        "rate": float(rate[1]) if rate else 0.0,
        "errors": float(errors + (int(statuses[1]) if statuses else 0)),
    }
