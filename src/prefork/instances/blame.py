"""Whose code it was: the place that a stack or a traceback names, and the module of it. Pure.

It is the innermost frame of the application's own, not of Python or an installed package. In a tree of Odoo the addon is named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.incidents import Incident

FRAME = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+)(?:,? in (?P<function>\S+))?', re.MULTILINE)
ADDON = re.compile(r"/addons/(\w+)/")
PACKAGE = re.compile(r"/(?:site|dist)-packages/(\w+)")
LIBRARY = re.compile(r"/lib(?:64)?/python3[^/]*/(?!site-packages/|dist-packages/)|^<")
OWN = re.compile(r"/prefork/(?:worker|master)/")


class Place(NamedTuple):
    """A line of somebody's code."""

    module: str
    file: str
    line: int
    function: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}"
        return f"{self.module} ({where}, in {self.function})" if self.function else f"{self.module} ({where})"


def place(text: str) -> Place | None:
    """The one to blame in stacks or in a traceback; None where there is none but Python's own and ours."""
    own = [frame for frame in frames(text) if not OWN.search(frame["file"]) and not LIBRARY.search(frame["file"])]
    addons = [frame for frame in own if ADDON.search(frame["file"])]
    theirs = [frame for frame in own if not PACKAGE.search(frame["file"])]
    for frame in (*addons, *theirs, *own):
        return Place(module(frame["file"]), frame["file"], int(frame["line"]), frame["function"] or "")
    return None


def frames(text: str) -> list[dict[str, str]]:
    """All frames, the innermost first: of stacks those of the thread that was at work before those of others."""
    if "most recent call first" not in text:
        return [found.groupdict() for found in FRAME.finditer(text)][::-1]
    threads = sorted(text.split("\n\n"), key=lambda thread: "Current thread" not in thread)
    return [found.groupdict() for thread in threads for found in FRAME.finditer(thread)]


def module(file: str) -> str:
    """What a file is called: the addon or the package that it is in, else its own name."""
    if (found := ADDON.search(file)) or (found := PACKAGE.search(file)):
        return found[1]
    return file.rpartition("/")[2].removesuffix(".py")


def crash_loop(traceback: str | None) -> str:
    """Who keeps workers from getting ready, in words."""
    if not traceback:
        return "nothing is known of the cause"
    found = place(traceback)
    last = traceback.rstrip().splitlines()[-1].strip()
    return f"{found}: {last}" if found else last


def incidents(found: Sequence[Incident]) -> str:
    """Who was at work in most of them, in words; empty where that is not known."""
    counts: dict[str, int] = {}
    for incident in found:
        name = culprit(incident)
        if name:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return ""
    worst = max(counts, key=lambda name: counts[name])
    return f"{worst} in {counts[worst]} of {len(found)}"


def culprit(incident: Incident) -> str:
    """The job or the place in the code of one incident; empty where neither is known."""
    if incident.job:
        return f"job {incident.job['name']}"
    found = place(incident.stacks)
    return str(found) if found else ""
