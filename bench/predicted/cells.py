"""One cell: a mix served by so many workers, what its requests waited, and what a simulation had said that they would.

The simulation knows the recording of one of the four numbers of workers, the second; that one and the others are compared with it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predicted.client import replay
from processes import ServerFailed, free_port, running
from servers import APPS, PREFORK, prefork_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from predicted.mixes import Mix
    from processes import Running

RECORDED = 1  # the place of the number of workers whose recording predicts all four
CLOSE, NEAR = 0.25, 0.01  # right is within this share, or so many seconds


@dataclass(frozen=True)
class Cell:
    """A number of workers: p95 of the wait as it was predicted, and as it was measured (seconds). `busy` is predicted, too."""

    mix: str
    workers: int
    recorded: bool
    predicted: float
    measured: float
    saturated: bool
    busy: float
    requests: int
    failures: int

    @property
    def right(self) -> bool:
        """Whether the prediction is as good as it is promised to be."""
        return abs(self.predicted - self.measured) <= max(CLOSE * self.measured, NEAR)


def measure(mix: Mix, seconds: float) -> list[Cell]:
    """Four cells: the one that is recorded first. Raises ServerFailed."""
    items = mix.items(seconds)
    order = [mix.counts[RECORDED], *(count for place, count in enumerate(mix.counts) if place != RECORDED)]
    found, predictions = [], {}
    for count in order:
        with served(["--workers", str(count)]) as (process, directory):
            seen = replay(process.port, items)
            simulated = predict(directory, mix.counts)
        predictions = predictions or {row["workers"]: row for row in simulated["rows"]}
        said = predictions[count]
        found.append(
            Cell(
                mix.name,
                count,
                count == mix.counts[RECORDED],
                said["wait"]["p95"],
                simulated["recorded"]["wait"]["p95"],
                said["saturated"],
                said["busy"],
                len(seen.waits),
                seen.failures,
            )
        )
    return sorted(found, key=lambda cell: cell.workers)


def predict(directory: Path, counts: Sequence[int]) -> dict[str, Any]:
    """What the running server has recorded, and what a simulation makes of it with each number of workers. Raises ServerFailed."""
    command = [str(PREFORK / "prefork"), "simulate", "--data-dir", str(directory / "data"), "--json"]
    command += [text for count in counts for text in ("--workers", str(count))]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    if result.returncode:
        raise ServerFailed(f"prefork simulate: {result.stderr.strip()}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@contextlib.contextmanager
def served(options: Sequence[str]) -> Iterator[tuple[Running, Path]]:
    """Prefork with these options. Raises ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        directory, port = Path(name), free_port()
        (directory / "data").mkdir(mode=0o700)
        command = [
            str(PREFORK / "prefork"), "serve", "work:app", "--app-dir", str(APPS), "--http-interface", "127.0.0.1",
            "--http-port", str(port), "--websocket-workers", "0", "--data-dir", str(directory / "data"), "--log-level", "info",
            "--no-access-log", *options,
        ]  # fmt: skip
        with running(command, port, directory / "log", {}, directory) as process:
            yield process, directory


def workers_of(directory: Path) -> int:
    """The HTTP workers that a server of ours has at this moment."""
    return sum(worker["pool"] == "http" for worker in prefork_status(directory)["workers"])
