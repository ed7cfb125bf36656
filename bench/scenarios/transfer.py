"""A file of 1 GiB down and up, by one client, beside nginx with the same client."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from drive import haul
from figures import Column
from nginx import store
from processes import pss_mib

if TYPE_CHECKING:
    from lab import Lab, Served
    from processes import Running
    from servers import Server

NAME = "transfer"
ROUNDS = 3
TITLE = "Large transfers"
METHOD = (
    "1 GiB over loopback by one client, in MiB/s, from the connection to the last byte of the answer. Each transfer comes right "
    "after the same one with nginx, and × nginx is the ratio of the two. nginx has one worker; it sends the file with sendfile and "
    "stores what is PUT (its DAV module): received, written to a temporary file, renamed. Down: by an application that yields "
    "blocks of 64 KiB and announces the length, by `wsgi.file_wrapper`, and as a static file without the application. Up: by an "
    "application that answers when the body has been received and does not read it, and by one that reads all of it, which "
    "nginx need not do. Growth is that of the proportional set size of the workers together, from before the first transfer to the "
    "highest after any."
)
DOWN = {"generator": "down, generator", "wrapper": "down, file_wrapper", "static": "down, static"}
UP = {"stored": "up, not read", "read": "up, read"}
NGINX = "/files/file"
COLUMNS = (
    *(
        column
        for key, words in (DOWN | UP).items()
        for column in (Column(key, f"{words}, MiB/s"), Column(f"{key}_ratio", "× nginx", decimals=2))
    ),
    Column("growth", "growth of the workers, MiB", decimals=1),
)
MIB = 1 << 20


def measure(server: Server, lab: Lab) -> dict[str, float]:
    """Every kind of transfer on one start of both servers."""
    size = (64 if lab.quick else 1024) * MIB
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        files = place / "files"
        files.mkdir()
        fill(files / "file", size)
        with store(place, files) as reference, lab.serve(server, "transfer", files=files) as served:
            return transfers(served, reference, files)


def fill(file: Path, size: int) -> None:
    """Write a file that is no hole, to the disk, so that nobody writes it while others are measured."""
    block = os.urandom(MIB)
    with file.open("wb") as target:
        for _ in range(size // MIB):
            target.write(block)
        target.flush()
        os.fsync(target.fileno())


def transfers(served: Served, reference: Running, files: Path) -> dict[str, float]:
    """Each pair in turn."""
    file = str(files / "file")
    figures: dict[str, float] = {}
    before = memory(served)
    growth = []
    for kind in DOWN:
        theirs = haul("down", reference.port, NGINX)
        figures |= pair(kind, haul("down", served.port, NGINX if kind == "static" else f"/{kind}"), theirs)
        growth.append(memory(served) - before)
    for kind in UP:
        theirs = haul("up", reference.port, "/files/stored", file)
        (files / "stored").unlink()
        figures |= pair(kind, haul("up", served.port, f"/{kind}", file), theirs)
        growth.append(memory(served) - before)
    return {**figures, "growth": max(growth)}


def pair(kind: str, ours: float, theirs: float) -> dict[str, float]:
    """The figures of a pair."""
    return {kind: ours, f"{kind}_ratio": ours / theirs}


def memory(served: Served) -> float:
    """MiB of the workers."""
    return sum(map(pss_mib, served.workers()))
