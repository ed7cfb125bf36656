"""Each client gets its own answers and nothing else, to the last byte, whatever the others do and whoever dies meanwhile."""

import contextlib
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from facts import await_fact
from visitors import Crowd

from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
KINDS = {
    "wsgi": ("signed:app", False),
    "wsgi, lent": ("signed:app", True),
    "asgi": ("signed:looped", False),
    "asgi, lent": ("signed:looped", True),
}
DEEDS = ("kills", "reloads", "kills")
Served = Callable[..., Server]
Note = Callable[[str, object], None]
pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def served(request: pytest.FixtureRequest, counted: Callable[[Server], Server]) -> Served:
    """Makes a server of two workers, with or without loans."""
    app, lends = request.param
    return lambda **options: counted(Server(app, app_dir=APPS, lend_connections=lends, access_log=lends, **options))


@pytest.fixture
def rushes(full: bool) -> int:
    """How many a crowd has."""
    return 10 if full else 2


def tell(note: Note, crowd: Crowd) -> None:
    """Note what came of a crowd."""
    for name, count in crowd.tally.items():
        note("MiB compared" if name == "bytes" else name, count >> 20 if name == "bytes" else count)


def test_each_client_gets_its_own_answers_to_the_last_byte(served: Served, seed: int, rushes: int, record_property: Note) -> None:
    with served() as server:
        crowd = Crowd(server.port, seed, rushes)
        crowd.run()
        assert not server.events("fault_contained")
        assert not server.events("request_failed")
    tell(record_property, crowd)


def test_nobody_gets_a_wrong_byte_while_workers_die_and_are_replaced(
    served: Served, seed: int, rushes: int, record_property: Note
) -> None:
    """Answers whose worker dies in their middle are cut, and uploads answered with 502; safe requests are answered all the same."""
    with served(limit_request=150, limit_request_jitter=50) as server, ThreadPoolExecutor(1) as thread:
        crowd = Crowd(server.port, seed, rushes, disturbed=True)
        running = thread.submit(crowd.run)
        disturb(server, crowd, running, Random(seed))
        running.result()
        assert not server.events("fault_contained")
    assert crowd.tally["kills"], "the crowd was gone before anybody died"
    tell(record_property, crowd)


def disturb(server: Server, crowd: Crowd, running: "Future[None]", chance: Random) -> None:
    """Kill workers and reload, as long as the crowd is there. No request is to be killed twice, for it is made once more only."""
    for deed in cycle(DEEDS):
        if deed == "kills":
            kill_one(server, chance)
        else:
            server.reload()
        if running.done():
            return
        crowd.tally[deed] += 1
        last = crowd.asked
        await_fact(lambda last=last: running.done() or crowd.past(last), "answers to all that was asked before", server, 30.0)


def kill_one(server: Server, chance: Random) -> None:
    """Kill a worker, and wait until it is gone and there is another one. It may be about to leave by itself."""
    pid = chance.choice(sorted(server.workers().values()))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    await_fact(lambda: not os.path.exists(f"/proc/{pid}"), "an end of the worker", server)
    await_fact(lambda: len(server.workers()) > 1, "two workers", server)
