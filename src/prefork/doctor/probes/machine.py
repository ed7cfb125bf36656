"""The machine: its size, its disk, what it has done to processes that took too much, and how fast one of its processors is."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from prefork.config import read_machine
from prefork.doctor.evidence import Machine
from prefork.meters import kernel_kills
from prefork.usage import read_clock, read_health

ROUNDS = 200_000
PATIENCE = 2.0  # seconds
ADDRESS = re.compile(r"^restapi:.*?^\s+connect_address:\s*([\w.:\[\]-]+)", re.DOTALL | re.MULTILINE)


def read(place: Path, root: Path = Path("/")) -> Machine:
    """How it is now; `place` says which disk."""
    bounds, health = read_machine(root), read_health(read_clock(root), place, root)
    return Machine(
        cpus=bounds.cpus,
        memory=bounds.memory or 0,
        available=health.memory["available"] if bounds.bound == "machine" else None,
        swap=health.swap["used"],
        disk=health.disk["kind"],
        place=health.disk["path"],
        loop=loop(),
        ooms=kernel_kills(),
        patroni=patroni(root / "etc/patroni/config.yml"),
    )


def patroni(file: Path) -> str:
    """The version that answers at the address of its file; empty where there is no file, or nobody answers."""
    with suppress(OSError, HTTPException, ValueError, LookupError):
        found = ADDRESS.search(file.read_text())
        connection = HTTPConnection(found[1] if found else "127.0.0.1:8008", timeout=PATIENCE)
        with closing(connection):
            connection.request("GET", "/patroni")
            return str(json.loads(connection.getresponse().read())["patroni"]["version"])
    return ""


def loop() -> float:
    """The milliseconds of processor time that a fixed piece of Python takes: the best of three, so that others do not count."""
    return round(min(turn() for _ in range(3)) * 1000, 1)


def turn() -> float:
    """One measurement, in seconds."""
    begun, total = time.process_time(), 0
    for number in range(ROUNDS):
        total += number * number % 7
    return time.process_time() - begun
