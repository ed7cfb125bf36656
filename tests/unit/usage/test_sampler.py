"""From what a server says now and then to what it has done meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefork.histogram import bucket
from prefork.usage.sample import Sample
from prefork.usage.sampler import LIVE, PACE, Sampler

Status = Callable[..., dict[str, Any]]


class Server:
    """Says what it is told to say, one thing after the other, ten seconds apart."""

    def __init__(self, *said: dict[str, Any] | Exception) -> None:
        self.said = list(said)
        self.now = 1000.0
        self.sampler = Sampler(self.ask, Path("/"), wall=lambda: 1_790_000_000 + self.now, clock=lambda: self.now)

    def ask(self) -> dict[str, Any]:
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def sample(self) -> Sample | None:
        self.now += PACE
        self.sampler.open()
        return self.sampler.close()


def test_the_first_reading_is_only_the_beginning(status: Status) -> None:
    server = Server(status())
    assert server.sample() is None
    assert server.sampler.reading
    assert not server.sampler.live


def test_a_worker_that_is_being_forked_is_not_measured(status: Status) -> None:
    rows = [*status()["workers"], {"name": "http.3", "pool": "http", "pid": None, "requests": 0, "memory": None}]
    server = Server(status(workers=rows))
    server.sample()
    assert server.sampler.reading


def test_what_has_changed_is_what_was_done(status: Status) -> None:
    waits = [0] * 104
    waits[bucket(0.2)] = 3
    first = status(at=100.0)
    later = status(
        at=110.0,
        occupied={"workers": 4, "seconds": 80.0, "at": 110.0},
        histograms={"wait": waits, "service": first["histograms"]["service"]},
        queue={"length": 2},
        incidents=1,
        lanes=[{"name": "default", "shed": 11}],
        dispatcher=first["dispatcher"] | {"refused": 2, "classes": {"2xx": 130, "3xx": 0, "4xx": 5, "5xx": 2}},
    )
    server = Server(first, later)
    server.sample()
    found = server.sample()
    assert found
    assert (found.seconds, found.configured, found.in_flight) == (10.0, 4, 75.0), "30 of 40 worker seconds"
    assert (found.succeeded, found.server_errors, found.refused, found.queued, found.incidents) == (30, 1, 2, 2, 1)
    assert found.shed == 7
    assert (found.waits, found.services) == ({bucket(0.2): 3}, {})
    assert (found.memory, found.memory_most, found.workers["http.1"]) == (50 << 20, 50 << 20, 50 << 20)
    assert found.host_memory is not None
    assert found.at == 1_790_000_000 + 1010.0, "it is about the time since the last reading"


def test_a_worker_with_an_event_loop_is_busy_when_all_its_places_are(status: Status) -> None:
    first = status(at=100.0, wanted=1, concurrency=100)
    server = Server(first, status(at=110.0, wanted=1, concurrency=100, occupied={"workers": 2, "seconds": 70.0, "at": 110.0}))
    server.sample()
    found = server.sample()
    assert found
    assert (found.configured, found.in_flight) == (100, 2.0), "20 of 1000 seconds, and no critical alert"


def test_who_works_is_measured_where_the_pid_is_that_of_a_process(status: Status) -> None:
    mine = [{"name": "http.1", "pool": "http", "pid": os.getpid(), "requests": 1, "memory": None}]
    server = Server(status(workers=mine, wanted=2))
    server.sampler.open()
    sum(range(2_000_000))
    server.sampler.close()
    assert server.sampler.reading
    assert (server.sampler.reading.processor.busy, server.sampler.reading.processor.percent) == (1, 50.0)


def test_a_server_that_was_started_again_has_no_past(status: Status) -> None:
    server = Server(status(), status(pid=4343), status(pid=4343))
    assert [server.sample() is None for _ in range(2)] == [True, True]
    assert [(mark.kind, mark.text) for mark in server.sampler.marks] == [("start", "started, Prefork 1.0")]
    assert server.sample()
    assert not server.sampler.marks


def test_reloads_and_scalings_are_marked(status: Status) -> None:
    server = Server(status(), status(generation=2), status(generation=2, wanted=6, cron={"wanted": 2}))
    marks = [(mark.kind, mark.text) for _ in range(3) for mark in (server.sample(), list(server.sampler.marks))[1]]
    assert marks == [
        ("reload", "generation 2"),
        ("scaling", "workers: 4 to 6"),
        ("scaling", "workers for jobs: 1 to 2"),
    ]


def test_a_dispatcher_that_is_silent_leaves_its_measure_unknown(status: Status) -> None:
    server = Server(status(at=100.0), status(at=100.0))
    server.sample()
    assert (found := server.sample())
    assert found.in_flight is None


def test_jobs_are_counted_by_worker(status: Status) -> None:
    def did(*counts: tuple[int, int]) -> dict[str, Any]:
        rows = [{"name": f"cron.{pid}", "pool": "cron", "pid": pid, "requests": done, "memory": None} for pid, done in counts]
        return status(workers=rows)

    server = Server(did((7, 10)), did((7, 12), (8, 1)), did((8, 1)))
    assert [each and each.jobs for each in (server.sample(), server.sample(), server.sample())] == [None, 3, 0]


def test_a_server_that_does_not_answer_is_a_gap_and_a_sentence(status: Status) -> None:
    server = Server(status(), OSError("no server runs there"), status())
    server.sample()
    assert server.sample() is None
    assert server.sampler.silent == "no server runs there"
    assert (found := server.sample())
    assert found.seconds == 2 * PACE, "its totals go on"
    assert not server.sampler.silent


def test_the_live_window_has_an_end(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LIVE == 3600
    monkeypatch.setattr("prefork.usage.sampler.LIVE", 100.0)
    server = Server(*(status() for _ in range(15)))
    for _ in range(15):
        server.sample()
    live = server.sampler.live
    assert live[-1].at - live[0].at == 100.0 - PACE
    assert len(server.sampler.since(live[-1].at - 60)) == 7
