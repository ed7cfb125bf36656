"""The story that every application goes through: four workers killed and one reload while people read and write.

Afterwards the books are compared: every record whose creation was acknowledged is there once, and no other, except those whose
request was answered 502, of which the client cannot know.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from prefork.testing import Outcome, Server

KILLS = 4


def disturb(server: Server, work_goes_on: Callable[[], None]) -> None:
    """Kill two workers, reload, kill two more. `work_goes_on` returns when more has been read and written since its call."""
    work_goes_on()
    for kill in range(KILLS):
        if kill == KILLS // 2:
            generation = server.reload()["generation"]
            server.wait_for("reload_done", generation=generation)
            work_goes_on()
        kill_a_busy_worker(server)
        work_goes_on()


def kill_a_busy_worker(server: Server) -> None:
    """Kill a worker that is inside a request, and wait for its replacement."""
    mark = server.mark()
    pid = server.kill(busy_worker(server))
    server.wait_for("worker_died", after=mark, pid=pid)
    server.wait_for("worker_ready", after=mark, timeout=30)


def busy_worker(server: Server, timeout: float = 10.0) -> str:
    """The name of a worker that is inside a request."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for worker in server.status()["workers"]:
            if worker["state"] == "busy":
                return str(worker["name"])
    raise AssertionError(f"no worker was busy for {timeout} s: is there any load?")


def assert_all_read(outcome: Outcome) -> None:
    """No safe request failed."""
    assert not outcome.failed, outcome.summary()
    assert outcome.ok > 0


def assert_books_agree(found: Iterable[str], acknowledged: set[str], unknown: set[str]) -> None:
    """The records found are exactly the acknowledged ones, once each, and perhaps some of the unknown."""
    copies = Counter(found)
    assert [name for name, count in copies.items() if count > 1] == [], "these were created twice"
    assert acknowledged - set(copies) == set(), "these were acknowledged and are lost"
    assert set(copies) - acknowledged - unknown == set(), "these were refused or never sent, and are there"
    assert len(unknown) <= KILLS, f"each killed worker had one request, and yet {len(unknown)} were answered 502"
