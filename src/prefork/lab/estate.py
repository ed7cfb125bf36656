"""What a lab keeps: one directory with its topology, its secrets, and a directory of each node. Nobody but its owner can read it.

Whether a node lives is never written down: it lives while a process holds the lock of its directory.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import secrets
import select
import shutil
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prefork.lab import account, odoo, packages
from prefork.lab.changes import Fitted, Unfit, fit
from prefork.lab.keeper import OVERLAID
from prefork.render.topology import Node, Topology, parse

if TYPE_CHECKING:
    from pathlib import Path

HUB = "hub"  # the bridge, and clients
FLOCK = "hhlli4x"  # struct flock: type, whence, start, length, pid
PATIENCE = 10.0  # seconds for processes to go after they were killed
ROLES = ("superuser", "replication", "rewind", "restapi", "pgbouncer", "site", "session")


class Missing(Exception):
    """There is no lab, or no such node; the sentence says which."""


@dataclass(frozen=True)
class Estate:
    """The directory of a lab, and what stands in it."""

    directory: Path
    fitted: Fitted
    secrets: dict[str, str]

    @property
    def topology(self) -> Topology:
        """As the lab runs it."""
        return self.fitted.topology

    def node(self, name: str) -> Node:
        """One of its nodes. Raises Missing."""
        for each in self.topology.nodes:
            if each.name == name:
                return each
        raise Missing(f"there is no node {name}; there are {', '.join(each.name for each in self.topology.nodes)}")

    def number(self, name: str) -> int:
        """Which of the nodes it is, from 1."""
        return self.topology.nodes.index(self.node(name)) + 1

    def home(self, name: str) -> Path:
        """The directory of a node, or of the hub."""
        return self.directory / "nodes" / name

    def shared(self, name: str) -> Path:
        """A directory that nodes share."""
        return self.directory / "shared" / name

    def pid(self, name: str) -> int:
        """The process of a node, 0 where it is down."""
        return holder(self.home(name) / "lock")

    @property
    def hub(self) -> int:
        """The process of the hub. Raises Missing."""
        if pid := self.pid(HUB):
            return pid
        raise Missing(f"the lab in {self.directory} is not up; start it with: prefork lab up")

    def alive(self) -> list[str]:
        """The names of all that run, the hub among them."""
        return [name for name in (HUB, *(each.name for each in self.topology.nodes)) if self.pid(name)]


def holder(lock: Path) -> int:
    """The process that has locked a file, as this process knows it; 0 where none has."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        asked = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = struct.unpack(FLOCK, asked)
    return int(pid) if kind != fcntl.F_UNLCK else 0


def found(directory: Path) -> Estate:
    """The lab of a directory. Raises Missing."""
    try:
        kept = json.loads((directory / "lab.json").read_text())
    except FileNotFoundError:
        raise Missing(f"there is no lab in {directory}; make one with: prefork lab up") from None
    except PermissionError:
        raise Missing(f"the lab in {directory} belongs to another account; run this as that one") from None
    topology = parse(kept["topology"], str(directory / "lab.json"))
    served = odoo.kept(kept["odoo"]) if kept["odoo"] else None
    fitted = fit(topology, kept["python"], kept["prefork"], synchronous=kept["synchronous"], odoo=served, **machine())
    return Estate(directory, fitted, kept["secrets"])


def make(
    directory: Path,
    topology: str,
    source: str,
    programs: tuple[str, str],
    *,
    synchronous: bool | None = None,
    served: odoo.Odoo | None = None,
) -> Estate:
    """A new lab, of which nothing runs yet. Raises Invalid, Unfit, Missing where the directory is another lab's."""
    python, prefork = programs
    fitted = fit(parse(topology, source), python, prefork, synchronous=synchronous, odoo=served, **machine())
    obstacles = list(packages.obstacles(fitted.topology))
    if obstacles:
        raise Unfit("\n".join(obstacles))
    if any(directory.resolve().is_relative_to(place) for place in OVERLAID):
        raise Unfit(f"{directory} is within {', '.join(OVERLAID)}, of which each node has its own; name another one with --dir")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    made = {name: secrets.token_urlsafe(24) for name in ROLES}
    kept = {"topology": topology, "python": python, "prefork": prefork, "synchronous": synchronous, "secrets": made}
    kept["odoo"] = asdict(served) if served else None
    try:
        descriptor = os.open(directory / "lab.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Missing(f"there is a lab in {directory} already; end it with: prefork lab down") from None
    with open(descriptor, "w") as file:
        json.dump(kept, file)
    return Estate(directory, fitted, made)


def machine() -> dict[str, Any]:
    """What a lab has to fit: how many descriptors a process may have here, and whether root is root in a namespace only."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return {"descriptors": sys.maxsize if hard == resource.RLIM_INFINITY else hard, "confined": account.confined()}


def kill(pid: int) -> None:
    """End a node as a power failure would, and wait until it is gone: the first process of a namespace is the last one to go."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.poll(PATIENCE * 1000)
    finally:
        os.close(descriptor)


def remove(directory: Path) -> None:
    """End everything that runs in a lab's directory, and delete it. Nothing to do is no error; other directories are left alone."""
    for lock in sorted(directory.glob("nodes/*/lock")):
        if pid := holder(lock):
            kill(pid)
    for name in ("nodes", "shared"):
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / "lab.json").unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
