"""A cron worker's loop, between a source that does as it is told and the master's end of its pair."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from prefork.messages import LOG, pair, send
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, NOTHING, RECEIVED, REQUESTS, WAITING_SINCE, Scoreboard
from prefork.worker import cron
from prefork.worker.cron import CAP, FIRST, Cron, Unavailable, Wire
from prefork.worker.hosts import django
from prefork.worker.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.worker.cron import Run


class Chore:
    """A job that does `work`."""

    def __init__(self, number: int, work: Callable[[], object], finish: Callable[[], object] = lambda: None) -> None:
        self.name = f"chore{number}"
        self.number = number
        self.work = work
        self.then = finish
        self.ended: list[BaseException | None] = []

    def call(self) -> None:
        self.work()

    def finish(self, error: BaseException | None) -> None:
        self.ended.append(error)
        self.then()


class Bench:
    """A worker that leaves when its source has no more `answers`: jobs, None where nothing is due, or what is raised."""

    def __init__(self) -> None:
        self.slot = Scoreboard.create().slot(3)
        worker, self.master = pair()
        self.wire = Wire(worker, Output())
        self.wire.wait = self.wait  # type: ignore[method-assign]
        self.answers: list[Run | Exception | None] = []
        self.did: list[str] = []
        self.titles: list[str] = []
        self.waits: list[tuple[float, int, int]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.cron = Cron(self.wire, self.slot, self, "prefork: cron 4 [x]", self.tell, 3)

    def work(self, *answers: Run | Exception | None) -> None:
        self.answers = list(answers)
        self.cron.work()

    def wait(self, seconds: float, bell: int) -> None:
        self.waits.append((seconds, bell, self.slot.progress().state))

    def tell(self, kind: str, **fields: Any) -> None:
        self.told.append((kind, fields))

    # The source.

    def connect(self) -> None:
        self.did.append("connect")

    def fileno(self) -> int:
        return 7

    def claim(self) -> Run | None:
        self.did.append("claim")
        assert self.slot.progress().state == RECEIVED, "busy, before anything is claimed"
        if not self.answers:
            self.master.shutdown(socket.SHUT_WR)
            return None
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def patience(self) -> float:
        return 5.0

    def close(self) -> None:
        self.did.append("close")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench()
    monkeypatch.setattr(cron, "set_title", bench.titles.append)
    yield bench
    bench.master.close()
    bench.wire.pair.close()


def test_jobs_one_after_the_other_then_a_wait(bench: Bench) -> None:
    seen = []

    def look() -> None:
        progress = bench.slot.progress()
        seen.append((progress.number, progress.state, bench.slot.tag(progress.number), bench.slot[BEGUN_AT] > 0))

    chores = [Chore(number, look) for number in (11, 12)]
    bench.work(*chores, None)
    assert seen == [(11, BEGUN, "chore11", True), (12, BEGUN, "chore12", True)]
    assert [chore.ended for chore in chores] == [[None], [None]]
    assert bench.slot[REQUESTS] == 2
    assert bench.waits[0] == (5.0, 7, NOTHING)
    assert bench.did == ["connect", *["claim"] * 4, "close"]
    assert bench.titles == [
        "prefork: cron 4 [x]: chore11",
        "prefork: cron 4 [x]",
        "prefork: cron 4 [x]: chore12",
        "prefork: cron 4 [x]",
    ]


def test_connections_of_a_django_project_are_refreshed_around_a_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django, "refresh", lambda: bench.did.append("refresh"))
    bench.work(Chore(1, lambda: bench.did.append("job"), lambda: bench.did.append("finish")))
    assert bench.did == ["connect", "claim", "refresh", "job", "finish", "refresh", "claim", "close"]


def test_one_that_has_to_leave_claims_nothing(bench: Bench) -> None:
    bench.master.close()
    bench.work(Chore(1, lambda: None))
    assert bench.did == ["close"]


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_job_raises_is_its_own_end(bench: Bench, failure: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise failure

    first, second = Chore(1, fail), Chore(2, lambda: None)
    bench.work(first, second)
    assert (first.ended, second.ended) == ([failure], [None])
    assert "job chore1, run 1, raised in worker" in capsys.readouterr().err
    assert bench.told == []


def test_an_outage_is_told_once_and_once_when_it_is_over(bench: Bench) -> None:
    offline = []

    def look() -> None:
        offline.append(bench.slot[WAITING_SINCE])

    away = Unavailable("the database is away")
    bench.work(away, away, away, Chore(1, look))
    (first, said), (second, after) = bench.told
    assert (first, said) == ("jobs_unreachable", {"reason": "the database is away", "traceback": None})
    assert second == "jobs_reachable"
    assert after["seconds"] > 0
    assert offline == [0]
    assert bench.did == ["connect", "claim", "close"] * 3 + ["connect", "claim", "claim", "close"]
    longest = [min(CAP, FIRST * 2**n) for n in (1, 2, 3)]
    assert all(most / 2 <= seconds <= most for (seconds, _, _), most in zip(bench.waits, longest, strict=False))
    assert all(bell == -1 for _, bell, _ in bench.waits[:3]), "a bell of a closed connection never rings"


def test_while_it_lasts_the_slot_says_so(bench: Bench) -> None:
    def look(seconds: float, bell: int) -> None:
        bench.waits.append((seconds, bell, bench.slot[WAITING_SINCE]))

    bench.wire.wait = look  # type: ignore[method-assign]
    bench.work(Unavailable("away"), None)
    assert 0 < bench.waits[0][2] <= time.monotonic_ns()
    assert bench.waits[1][2] == 0


def test_a_fault_of_the_source_ends_no_worker_and_is_shown(bench: Bench) -> None:
    bench.work(LookupError("wrong"), None)
    kind, said = bench.told[0]
    assert (kind, said["reason"]) == ("jobs_unreachable", "LookupError: wrong")
    assert "LookupError" in said["traceback"]


def test_a_job_whose_end_cannot_be_noted_has_ended(bench: Bench) -> None:
    def lose() -> None:
        raise Unavailable("away")

    chore = Chore(1, lambda: None, lose)
    bench.work(chore, None)
    assert bench.waits[0][1:] == (-1, NOTHING)
    assert [kind for kind, _ in bench.told] == ["jobs_unreachable", "jobs_reachable"]


def test_after_its_limit_it_asks_for_a_replacement_and_goes_on(bench: Bench) -> None:
    bench.work(*[Chore(number, lambda: None) for number in range(1, 6)])
    assert bench.told == [("worn", {})]
    assert bench.slot[REQUESTS] == 5
    assert bench.slot.progress().state in {RECEIVED, DONE}


class TestWire:
    def test_it_ends_with_the_other_end(self) -> None:
        ours, theirs = pair()
        wire = Wire(ours, Output())
        assert not wire.ended()
        theirs.close()
        wire.wait(60.0, -1)
        assert wire.ended()
        ours.close()

    def test_it_waits_for_the_bell_and_for_nothing_longer_than_it_may(self) -> None:
        ours, theirs = pair()
        reading, writing = os.pipe()
        wire = Wire(ours, Output())
        wire.wait(0.0, reading)
        os.write(writing, b"!")
        wire.wait(60.0, reading)
        for end in (reading, writing):
            os.close(end)
        ours.close()
        theirs.close()

    def test_another_log_is_taken_on_the_way(self) -> None:
        ours, theirs = pair()
        switched: list[int] = []
        output = Output()
        output.switch = switched.append  # type: ignore[method-assign]
        log = os.memfd_create("log")
        send(theirs, LOG, [log])
        assert not Wire(ours, output).ended()
        (descriptor,) = switched
        for each in (log, descriptor):
            os.close(each)
        ours.close()
        theirs.close()
