"""Which processes of a server are its workers for requests, found from outside: of Odoo, gunicorn, uWSGI, or any that forks.

A master's workers are its children that run the same program. Titles say more where a server sets them.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

WORKER = re.compile(r"WorkerHTTP|prefork: http |gunicorn: worker|uWSGI worker")  # what servers call those that serve requests
OTHER = re.compile(r"WorkerCron|\bgevent\b|prefork: |uWSGI (?:http|master|spooler|mule)")


class NoSuchProcess(Exception):
    """There is no such process, or nobody may look at it; the sentence says which."""


class Process(NamedTuple):
    """`title` is its command line, `program` the file that it runs, or the first word where that is not ours to see."""

    pid: int
    parent: int
    title: str
    program: str


class Crew(NamedTuple):
    """A master and its workers; `alone` is a process that has none and serves by itself."""

    master: int
    workers: tuple[int, ...]
    alone: bool = False


def crew(pid: int) -> Crew:
    """The workers of the server whose master, or whose master's starter, has this pid. Raises NoSuchProcess."""
    processes = everybody()
    while pid in processes:
        children = [each for each in processes.values() if each.parent == pid]
        titled = [each.pid for each in children if WORKER.search(each.title)]
        alike = [each.pid for each in children if each.program == processes[pid].program and not OTHER.search(each.title)]
        if titled or alike:
            return Crew(pid, tuple(titled or alike))
        if len(children) != 1:
            return Crew(pid, (pid,), alone=True)
        if children[0].program == processes[pid].program:  # its only child does something else
            return Crew(pid, (pid,), alone=True)
        pid = children[0].pid  # a shell or an init that has started it
    raise NoSuchProcess(f"there is no process {pid}; give the pid of the server's master")


def everybody() -> dict[int, Process]:
    """Every process that can be seen, by pid."""
    found = (look(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {each.pid: each for each in found if each}


def look(pid: int) -> Process | None:
    """One process; None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            words = line.read().decode(errors="replace").split("\0")
    except OSError:
        return None
    if fields[0] in {b"Z", b"X"}:
        return None
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        program = words[0]
    return Process(pid, int(fields[1]), " ".join(words).strip(), program)
