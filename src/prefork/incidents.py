"""What is kept of a worker's violent end: one JSON object a line in `data_dir`, rotated. No process, no clock here.

`None` stands for what nobody knows.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "incidents.jsonl"
LARGEST = 8 << 20  # bytes of a file before another one is begun
KEPT = 4  # older files
LATEST = 512 << 10  # bytes at the end of the file that are looked at to see what is new


@dataclass(frozen=True)
class Incident:
    """What happened to a worker.

    `time` is in seconds since 1970, `elapsed` and `cpu` are seconds of the request or job, `memory` is in bytes, `curve` holds
    (seconds relative to the end, bytes). `request` has method, target, client, id, attempt and tag, `job` name and run, `children`
    pid, name and resident bytes of the processes that ended with the worker, `requests` all that were on its loop where there were
    several, each with its `status`. `cause` is a word to count by: the name of a limit,
    `crash`, `exit`, …
    """

    id: str
    time: float
    node: str
    worker: str
    pool: str
    pid: int
    generation: int
    cause: str
    reason: str
    advice: str
    status: int | None = None
    request: dict[str, Any] | None = None
    job: dict[str, Any] | None = None
    elapsed: float | None = None
    cpu: float | None = None
    memory: int | None = None
    curve: list[tuple[float, int]] = field(default_factory=list)
    children: list[dict[str, Any]] = field(default_factory=list)
    stacks: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Incident:
        """One as it was written down; what only another release knows of it is left out. Raises TypeError where it is none."""
        return cls(**{part: value for part, value in told.items() if part in PARTS})

    def beside(self) -> list[dict[str, Any]]:
        """The other requests on its loop."""
        return [request for request in self.requests if request["id"] != (self.request or {}).get("id")]

    def names(self) -> set[str]:
        """What people may know it by: its id, and that of its request."""
        return {self.id, *(request["id"] for request in (*self.requests, self.request) if request)}

    def as_json(self) -> str:
        """On one line."""
        return json.dumps(asdict(self))


PARTS = frozenset(each.name for each in fields(Incident))


def new_id() -> str:
    """A name that can be read out over the telephone."""
    return os.urandom(4).hex()


def files(data_dir: Path) -> list[Path]:
    """Those that there are."""
    path = data_dir / NAME
    return [each for each in (numbered(path, number) for number in range(KEPT + 1)) if each.exists()]


def numbered(path: Path, number: int) -> Path:
    """One of them, of which the highest number is the oldest."""
    return path.with_suffix(f".{number}.jsonl") if number else path


def read(line: str | bytes) -> Incident | None:
    """What a line says; None where it was cut."""
    try:
        return Incident.of(json.loads(line))
    except (ValueError, TypeError, AttributeError):
        return None


class Ledger:
    """The incidents of one server. Only the master writes; a group may be let read."""

    def __init__(self, data_dir: Path, readers: int | None = None) -> None:
        self.path = data_dir / NAME
        self.readers = readers

    def add(self, incident: Incident) -> None:
        """Keep one more. Raises OSError, also when the disk takes only a part of it."""
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_size > LARGEST:
                self._rotate()
        descriptor = self._open()
        try:
            size = os.fstat(descriptor).st_size
            # A line that was cut must not take the next one with it.
            begin = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
            line = begin + incident.as_json().encode() + b"\n"
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """For appending. A new file gets its name when its readers may read it: they may look at any moment."""
        new = None if self.path.exists() else self.path.with_suffix(".new")
        descriptor = os.open(new or self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self.readers is not None:
                os.fchown(descriptor, -1, self.readers)
                os.fchmod(descriptor, 0o640)
            if new:
                os.rename(new, self.path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self) -> Iterator[Incident]:
        """All that are kept, the oldest first. A line that was cut by a crash or a full disk is passed over. Raises OSError."""
        os.stat(self.path.parent)  # no incidents and no directory are not the same
        for number in range(KEPT, -1, -1):
            with (
                contextlib.suppress(FileNotFoundError),
                open(numbered(self.path, number), encoding="utf-8", errors="replace") as lines,
            ):
                for line in lines:
                    if incident := read(line):
                        yield incident

    def latest(self, after: float) -> list[Incident]:
        """Those since a time (seconds since 1970), the oldest first, as far as they stand at the end of the file."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_mtime < after:
                    return []
                file.seek(max(0, status.st_size - LATEST))
                lines = file.read().splitlines()
        except OSError:
            return []
        found = map(read, lines)
        return [incident for incident in found if incident and incident.time > after]

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(numbered(self.path, number - 1), numbered(self.path, number))
