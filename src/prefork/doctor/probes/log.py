"""What the end of a server's log says: Odoo's own sentences, which Prefork's log has too, and nginx's about its upstreams.

Counts and paths only. What a query string holds may be a secret, so it is cut off.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from prefork.doctor.evidence import Log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Number = TypeVar("Number", int, float)
DAY = timedelta(days=1)
END = 8 << 20  # bytes
MOST = 5  # paths of a kind
STAMP = re.compile(r"^(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")
KILLED = re.compile(r"timeout after \d+s|CPU time limit \(?\S* ?(?:reached|exceeded)|Worker \(pid: \d+\) killed")
RECYCLED = re.compile(r"(?:virtual|Server) memory limit .* reached|retires: .*limit_memory")
MEMORY = re.compile(r"\bMemoryError\b|Out of memory|Incident \w+, limit_memory_hard")
UNBOUND = re.compile(r"Couldn't bind the websocket|bus\.Bus only available|opened on the evented port")
POOL = re.compile(r"Connection Pool Is Full|too many clients already|remaining connection slots", re.IGNORECASE)
REQUEST = re.compile(r'"?(?:GET|POST|PUT|PATCH|DELETE|HEAD) (/[^\s?"]*)\S* HTTP/[\d.]+"? (\d{3}) \S+ (\d+) ([\d.]+) ([\d.]+)')
TASK = re.compile(r"it was doing (?:GET|POST|PUT|PATCH|DELETE) (/[^\s?]*)")
UPSTREAM = re.compile(r'upstream (?:prematurely closed|timed out).*request: "\w+ (/[^\s?"]*)')
CHATTY = 500  # queries of a request: beyond it something is done record by record
SLUGGISH = 10.0  # seconds of Python in a request


def read(files: Iterable[Path]) -> Log | None:
    """What these files say together; None where none can be read."""
    read = [(file, tail(file)) for file in files]
    found = [(file, lines) for file, lines in read if lines is not None]
    if not found:
        return None
    return counted(", ".join(str(file) for file, _ in found), [line for _, lines in found for line in lines])


def tail(file: Path) -> list[str] | None:
    """The lines at the end of a file."""
    try:
        with open(file, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - END))
            return recent(log.read().decode(errors="replace").splitlines())
    except OSError:
        return None


def recent(lines: list[str]) -> list[str]:
    """Those of the last day: what was wrong before may have healed long ago."""
    stamps = [stamp(line) for line in lines]
    last = max(filter(None, stamps), default=None)
    if last is None:
        return lines
    first = next(number for number, each in enumerate(stamps) if each and last - each < DAY)
    return lines[first:]


def stamp(line: str) -> datetime | None:
    """When a line was written."""
    found = STAMP.match(line)
    return datetime.fromisoformat("{}-{}-{}T{}:{}:{}+00:00".format(*found.groups())) if found else None


def counted(path: str, lines: list[str]) -> Log:
    """What the lines say."""
    urls = [
        found[1] for line in lines for found in (TASK.search(line) if KILLED.search(line) else None, UPSTREAM.search(line)) if found
    ]
    requests = [found for line in lines if (found := REQUEST.search(line))]
    return Log(
        path=path,
        hours=covered(lines),
        recycled=count(RECYCLED, lines),
        killed=count(KILLED, lines),
        out_of_memory=count(MEMORY, lines),
        unbound=count(UNBOUND, lines),
        pool_full=count(POOL, lines),
        urls=tuple(sorted(set(urls), key=lambda url: -urls.count(url))[:MOST]),
        costly=tuple(worst({each[1]: int(each[3]) for each in requests}, CHATTY)),
        slow=tuple(worst({each[1]: float(each[5]) for each in requests}, SLUGGISH)),
    )


def count(pattern: re.Pattern[str], lines: list[str]) -> int:
    """In how many lines it stands."""
    return sum(1 for line in lines if pattern.search(line))


def worst(of: dict[str, Number], bound: Number) -> list[tuple[str, Number]]:
    """The paths above a bound, the highest first."""
    return sorted(((path, value) for path, value in of.items() if value > bound), key=lambda each: -each[1])[:MOST]


def covered(lines: list[str]) -> float:
    """The hours between the first and the last line that have a time; an hour at least."""
    stamps = [found for line in lines if (found := stamp(line))]
    return max(1.0, (max(stamps) - min(stamps)).total_seconds() / 3600) if stamps else 1.0
