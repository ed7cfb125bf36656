"""How late a server does what it must: by its own stamps and the kernel's, less the time that it waited for a processor.

That wait is the machine's business: what else runs here must not decide what a story says.
"""

import json
from datetime import datetime
from pathlib import Path

from prefork.testing import Event, Server

GRAIN = 0.001  # seconds: the log and incidents tell milliseconds


class RunDelay:
    """The seconds that master and dispatcher have waited for a processor since this was made."""

    def __init__(self, server: Server) -> None:
        self.pids = [server.pid, server.status()["dispatcher"]["pid"]]
        self.before = self._waited()

    def seconds(self) -> float:
        return self._waited() - self.before

    def _waited(self) -> float:
        return sum(map(waited, self.pids))


def waits(server: Server) -> dict[int, float]:
    """The seconds that each process of a server has waited for a processor since it began."""
    return {pid: waited(pid) for pid in server.tree()}


def delayed(server: Server, before: dict[int, float]) -> float:
    """The seconds that its processes have waited since then, in each other's place."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in waits(server).items())


def waited(pid: int) -> float:
    """That of one process; 0 when it has ended."""
    try:
        # Its second field: nanoseconds spent on a run queue (Documentation/scheduler/sched-stats.rst).
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def waited_here() -> float:
    """The seconds that the threads of this process have waited since they began."""
    return sum(waited(int(thread.name)) for thread in Path("/proc/self/task").iterdir())


def moment(event: Event) -> float:
    """When an event was logged, in seconds since 1970."""
    return datetime.fromisoformat(event["time"]).timestamp()


def crossing(readings: Path, limit: int) -> float:
    """When a process that noted its memory came above a limit: at its last reading below. Seconds since 1970."""
    noted = [json.loads(line) for line in readings.read_text().splitlines() if line.endswith("]")]
    return float(max(time for time, size in noted if size <= limit))
