"""A running server from outside: its workers, the ports that it listens on, the service that it belongs to, its version."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.config import tree
from prefork.doctor.evidence import Server, Unseen
from prefork.meters import Gone, Meter, descendants
from prefork.usage import NoSuchProcess, of_tree
from prefork.usage.processes import WORKER, crew, everybody

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = re.compile(r"([^/]+\.service)(?:/|$)", re.MULTILINE)
ANOTHERS = re.compile(r"user@\d+\.service|(?:cron|ssh|sshd)\.service")  # what starts processes for people
LISTENING = "0A"
BOOTED = Path("/run/systemd/system")


def read(pid: int) -> Server | Unseen:
    """The server whose master has this pid."""
    try:
        found = crew(pid)
        busy = of_tree(pid, None).share.percent
    except NoSuchProcess as error:
        return Unseen(str(error))
    family = [found.master, *(each.pid for each in descendants(found.master))]
    called, unit = titles(family), service(pid)
    return Server(
        pid=pid,
        own=any("prefork: " in title for title in called),
        http=0 if found.alone else len(found.workers),
        memory=tuple(used for worker in found.workers if (used := memory(worker))),
        ports=frozenset(ports(family)),
        unit=unit,
        enabled=(enabled(unit) if unit else False) if BOOTED.is_dir() else None,
        titled=any(WORKER.search(title) for title in called),
        busy=busy,
    )


def titles(pids: list[int]) -> list[str]:
    """What they are called."""
    processes = everybody()
    return [processes[pid].title for pid in pids if pid in processes]


def memory(pid: int) -> int | None:
    """The proportional memory of a process in bytes; None where it is gone or not ours to see."""
    try:
        meter = Meter(pid)
    except Gone:
        return None
    try:
        return meter.proportional()
    except Gone:
        return None
    finally:
        meter.close()


def ports(pids: list[int]) -> Iterator[int]:
    """The TCP ports that these processes listen on."""
    held = {inode for pid in pids for inode in sockets(pid)}
    for table in ("tcp", "tcp6"):
        try:
            rows = Path("/proc", str(pids[0]), "net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            words = row.split()
            if words[3] == LISTENING and words[9] in held:
                yield int(words[1].rpartition(":")[2], 16)


def sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return
    for each in descriptors:
        try:
            target = os.readlink(f"{folder}/{each}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def service(pid: int) -> str:
    """The unit of systemd that a process runs in; empty where somebody has started it by hand."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""
    found = [name for name in SERVICE.findall(groups) if not ANOTHERS.fullmatch(name)]
    return found[-1] if found else ""


def enabled(unit: str, root: Path = Path("/")) -> bool | None:
    """Whether a unit starts with the machine; None where systemd cannot tell."""
    try:
        said = subprocess.run(
            ["systemctl", f"--root={root}", "is-enabled", unit], capture_output=True, text=True, timeout=5, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"enabled": True, "static": True, "alias": True, "generated": True, "disabled": False, "indirect": False}.get(said)


def version(pid: int) -> int | None:
    """The first number of the version of an Odoo that runs from its own tree."""
    for title in titles([pid, *(each.pid for each in descendants(pid))]):
        for word in title.split():
            if os.path.basename(word) in {"odoo-bin", "odoo.py"} and (found := tree.version(Path(word).parent)):
                return found[0]
    return None
