"""A worker with several places: ordered, introduced, released and forgotten as one."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.unit.descriptors import held_for_good, opened_since

from prefork.channel import Channel
from prefork.journal import Journal, Sink
from prefork.master.crew import Crew
from prefork.master.fleet import State, Worker
from prefork.master.pools import CRON, HTTP, Pool
from prefork.master.slate import OWN_FRAME, shortened
from prefork.master.spawn import Death
from prefork.master.status import rows
from prefork.messages import LOG, inbox, pair, receive
from prefork.scoreboard import BEGUN, DONE, OPEN, RECEIVED, REQUEST, Scoreboard, pack_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.master.fuse import Fuses
    from prefork.master.generation import Generation


class Bench:
    """A crew between a template and a dispatcher that only listen."""

    def __init__(self) -> None:
        self.failed: list[str | None] = []
        log = os.memfd_create("log")
        self.counters: list[int] = []
        self.attached: list[tuple[str, int]] = []
        self.fuses = cast(
            "Fuses", SimpleNamespace(attach=lambda *worker: self.attached.append(worker), counters=lambda _: self.counters)
        )
        self.crew = Crew(
            Journal(Sink(log), level="info", as_json=True, logger="test"),
            Scoreboard.create(),
            self.fuses,
            lambda _, said: self.failed.append(said),
        )
        os.close(log)
        template, ordered = pair()
        dispatcher, told = pair()
        self.ordered, self.told = Channel(ordered), Channel(told)
        self.dispatcher = self.crew.pairs.dispatcher = Channel(dispatcher)
        self.template = Channel(template)
        # In place of all the workers stands a process that does nothing.
        self.process = subprocess.Popen(["sleep", "60"], process_group=0)
        self.pid = self.process.pid

    def order(self, threads: int = 0, pool: Pool = HTTP, concurrency: int = 0) -> Worker:
        """A worker that the template has been told to fork."""
        generation = cast(
            "Generation",
            SimpleNamespace(number=1, threads=threads, concurrency=concurrency, template=SimpleNamespace(channel=self.template)),
        )
        before = set(self.crew.workers)
        self.crew.fork(pool, generation, 0.0)
        (slot,) = set(self.crew.workers) - before
        return self.crew.workers[slot]

    def fork(self, threads: int = 0, pool: Pool = HTTP, concurrency: int = 0) -> Worker:
        """A worker that is ready."""
        worker = self.order(threads, pool, concurrency)
        self.crew.forked(worker.slot, self.pid, 0.0)
        self.crew.hear({"slot": worker.slot, "pid": self.pid, "kind": "ready", "speaks": False})
        return worker

    def heard(self, channel: Channel) -> tuple[dict[str, Any], int]:
        """What was said, and how many descriptors came with it."""
        said, descriptors = channel.receive()
        assert said
        for descriptor in descriptors:
            os.close(descriptor)
        return said, len(descriptors)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for worker in bench.crew.all():
        bench.crew._forget(worker)
    for channel in (bench.ordered, bench.told, bench.template, bench.dispatcher):
        channel.close()
    bench.process.kill()
    bench.process.wait()


def test_one_order_and_as_many_introductions_as_threads(bench: Bench) -> None:
    worker = bench.fork(threads=3)
    said, descriptors = bench.heard(bench.ordered)
    assert (said["slot"], said["name"], descriptors) == (0, "http.1-3", 1 + 3)
    added = [bench.heard(bench.told) for _ in range(3)]
    assert [(order["kind"], order["slot"], order["name"], order["pid"], count) for order, count in added] == [
        ("add", slot, f"http.{slot + 1}", bench.pid, 2) for slot in range(3)
    ]
    assert worker.reachable == {0, 1, 2}
    assert bench.crew.find(2, bench.pid) is worker
    assert bench.crew.find(3, bench.pid) is None


def test_a_fork_gets_a_fuse_and_the_dispatcher_its_counters(bench: Bench) -> None:
    with open("/dev/null") as counters:
        bench.counters = [counters.fileno()]
        bench.fork(threads=0)
        assert bench.attached == [("http.1", bench.pid)]
        assert bench.heard(bench.told)[1] == 3


@pytest.mark.parametrize("places", [{}, {"threads": 2}, {"concurrency": 2}])
def test_while_it_is_being_forked_nobody_is_told_a_pid_that_means_another_process(bench: Bench, places: dict[str, int]) -> None:
    worker = bench.order(**places)
    (row,) = rows(worker, bench.crew, None, 1.0)
    assert (row["state"], row["pid"]) == ("forking", None), "a signal to 0 goes to whoever sends it, and to all of its group"
    bench.crew.forked(worker.slot, bench.pid, 1.0)
    assert next(rows(worker, bench.crew, None, 1.0))["pid"] == bench.pid


def test_who_is_told_of_twice_is_who_it_was(bench: Bench) -> None:
    worker = bench.fork()
    for slot in (worker.slot, 99):
        bench.crew.forked(slot, os.getpid(), 1.0)
    assert (worker.pid, worker.state, set(bench.crew.workers)) == (bench.pid, State.READY, {worker.slot})


def test_it_leaves_when_the_last_place_is_released(bench: Bench) -> None:
    worker = bench.fork(threads=2)
    bench.crew.retire(worker, "a reason", 1.0)
    bench.crew.released(0, bench.pid, 1.0)
    assert (worker.state, worker.reachable) == (State.RETIRING, {1})
    bench.crew.released(1, bench.pid, 2.0)
    assert (worker.state, worker.reachable) == (State.LEAVING, set())


def test_it_does_not_leave_as_long_as_it_has_connections(bench: Bench) -> None:
    worker = bench.fork(concurrency=2)
    bench.crew.scoreboard.slot(0)[OPEN] = 1
    bench.crew.retire(worker, "a reason", 1.0)
    bench.crew.released(0, bench.pid, 1.0, places=2)
    assert (worker.state, bench.crew.open_connections(worker)) == (State.RETIRING, 1)
    bench.crew.scoreboard.slot(0)[OPEN] = 0
    bench.crew.look(2.0)
    assert worker.state is State.LEAVING


def test_places_in_a_row_are_used_again_once_they_are_all_free(bench: Bench) -> None:
    first, second = bench.fork(threads=3), bench.fork(threads=2)
    assert (first.slots, second.slots) == (range(3), range(3, 5))
    bench.crew.bury(first, Death(0, 0), settled=True)
    assert bench.fork(threads=3).slots == range(5, 8), "the dispatcher may still read the places of the dead"
    for slot in range(2):
        bench.crew.released(slot, bench.pid, 1.0)
    assert bench.fork(threads=2).slots == range(2)
    assert bench.fork(threads=0).name == "http.9"


def test_a_request_in_any_place_makes_it_busy(bench: Bench) -> None:
    worker = bench.fork(threads=3)
    bench.crew.look(1.0)
    assert not worker.busy
    bench.crew.scoreboard.slot(2)[REQUEST] = pack_progress(7, BEGUN)
    bench.crew.look(1.0)
    assert worker.busy


def test_the_loss_of_the_dispatcher_sends_it_away_with_all_places(bench: Bench) -> None:
    worker = bench.fork(threads=2)
    bench.crew.dispatcher_lost(1.0)
    assert worker.state is State.LEAVING
    assert not bench.crew.pairs.unreleased


def test_one_that_was_never_introduced_leaves_by_its_own_end(bench: Bench) -> None:
    bench.crew.pairs.dispatcher = None
    worker = bench.fork(threads=2)
    assert sorted(bench.crew.pairs.ends) == [0, 1]
    bench.crew.retire(worker, "a reason", 1.0)
    assert worker.state is State.LEAVING
    assert bench.crew.pairs.ends == {}


def test_one_that_was_asked_to_leave_leaves_nothing_to_explain(bench: Bench) -> None:
    worker = bench.fork(threads=0)
    bench.crew.retire(worker, "a reason", 1.0)
    assert bench.crew.bury(worker, Death(0, 0), settled=True) is None


def test_one_that_ends_in_a_request_does_however_it_was_asked(bench: Bench) -> None:
    worker = bench.fork(threads=0)
    bench.crew.scoreboard.slot(0)[REQUEST] = pack_progress(7, BEGUN)
    bench.crew.retire(worker, "a reason", 1.0)
    remains = bench.crew.bury(worker, Death(0, 0), settled=True)
    assert remains
    assert remains.task
    assert remains.task.number == 7


class TestJobs:
    """Workers that find their work themselves: their pairs stay here."""

    def test_they_are_not_introduced(self, bench: Bench) -> None:
        worker = bench.fork(threads=3, pool=CRON)
        said, descriptors = bench.heard(bench.ordered)
        assert (said["slot"], said["pool"], said["number"], said["name"], descriptors) == (CRON.first, "cron", 1, "cron.1", 1 + 1)
        assert (worker.reachable, list(bench.crew.pairs.ends)) == (set(), [worker.slot])

    def test_retiring_closes_and_waits_for_the_job(self, bench: Bench) -> None:
        worker = bench.fork(threads=0, pool=CRON)
        slot = bench.crew.scoreboard.slot(worker.slot)
        slot[REQUEST] = pack_progress(0, RECEIVED)
        bench.crew.retire(worker, "a reason", 1.0)
        assert bench.crew.pairs.ends == {}
        for word in (pack_progress(0, RECEIVED), pack_progress(7, BEGUN)):
            slot[REQUEST] = word
            bench.crew.look(2.0)
            assert worker.state is State.RETIRING
        slot[REQUEST] = pack_progress(7, DONE)
        bench.crew.look(3.0)
        assert (worker.state, worker.since) == (State.LEAVING, 3.0)

    def test_the_log_says_that_one_retires_when_it_has_been_told(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        worker, then = bench.fork(threads=0, pool=CRON), []
        monkeypatch.setattr(bench.crew.journal, "emit", lambda event: then.append((event.pid, dict(bench.crew.pairs.ends))))
        bench.crew.retire(worker, "a reason", 1.0)
        assert then == [(worker.pid, {})]

    def test_the_loss_of_the_dispatcher_changes_nothing(self, bench: Bench) -> None:
        worker, retiring = bench.fork(threads=0, pool=CRON), bench.fork(threads=0, pool=CRON)
        bench.crew.scoreboard.slot(retiring.slot)[REQUEST] = pack_progress(7, BEGUN)
        bench.crew.retire(retiring, "a reason", 1.0)
        bench.crew.dispatcher_lost(1.0)
        assert (worker.state, retiring.state) == (State.READY, State.RETIRING)

    def test_whoever_comes_next_takes_the_place_of_one_that_died_in_a_job(self, bench: Bench) -> None:
        first, second = bench.fork(threads=0, pool=CRON), bench.fork(threads=0, pool=CRON)
        slot = bench.crew.scoreboard.slot(second.slot)
        slot.set_tag(7, "mail")
        slot[REQUEST] = pack_progress(7, BEGUN)
        bench.crew.retire(first, "a reason", 1.0)
        assert bench.crew.bury(first, Death(0, 0), settled=True) is None
        remains = bench.crew.bury(second, Death(0, -9), settled=True)
        assert remains
        assert remains.job == {"name": "mail", "run": 7}
        assert [bench.fork(threads=0, pool=CRON).name for _ in range(2)] == ["cron.2", "cron.1"]
        assert bench.fork(threads=0).name == "http.1"

    def test_one_that_dies_while_it_looks_for_a_job_has_failed_to_start(self, bench: Bench) -> None:
        worker = bench.fork(threads=0, pool=CRON)
        bench.crew.scoreboard.slot(worker.slot)[REQUEST] = pack_progress(0, RECEIVED)
        bench.crew.bury(worker, Death(0, -11), settled=False)
        assert bench.failed == [None]

    def test_another_log_goes_to_each(self, bench: Bench) -> None:
        worker = bench.fork(threads=0, pool=CRON)
        bench.fork(threads=0)
        ours, theirs = pair()
        bench.crew.pairs.ends[worker.slot].close()
        bench.crew.pairs.ends[worker.slot] = ours
        log = os.memfd_create("log")
        bench.crew.pairs.switch_log(bench.crew.ready(), log)
        message, (descriptor,) = receive(theirs, inbox())
        assert message == LOG
        for each in (log, descriptor):
            os.close(each)
        theirs.close()


def test_stacks_end_where_the_application_was_called() -> None:
    application = ['  File "/srv/app.py", line 7 in inner', '  File "/srv/app.py", line 9 in outer']
    own = [f'  {OWN_FRAME}worker/{name}", line 1 in x' for name in ("wsgi.py", "http.py")]
    head = "Current thread 0x1 (most recent call first):"
    stacks = "\n".join([head, *application, *own, "", "Thread 0x2:", *own, "", "Extension modules: a, b", ""])
    assert shortened(stacks) == "\n".join([head, *application, "", "Thread 0x2:", own[0], "", "Extension modules: a, b"])
    assert shortened("") == ""


@pytest.mark.parametrize("left", range(14))
def test_a_worker_that_there_are_no_descriptors_for_is_not_waited_for(bench: Bench, left: int) -> None:
    before = held_for_good()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)  # all numbers below it are taken
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, hard))
    try:
        generation = SimpleNamespace(number=1, threads=0, concurrency=4, template=SimpleNamespace(channel=bench.template))
        bench.crew.fork(HTTP, cast("Generation", generation), 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not bench.crew.workers
    assert bench.failed == ["the system refused another process (Too many open files)"]
    assert not opened_since(before)


def test_a_worker_whose_end_could_not_be_seen_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    worker = bench.order()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", refused)
        bench.crew.forked(worker.slot, bench.pid, 0.0)
    assert worker.state is State.KILLED
    assert bench.process.wait() == -signal.SIGKILL
    bench.crew.bury(worker, Death(bench.pid, -signal.SIGKILL), settled=False)
    assert bench.failed == ["the system refused to tell of its end (Too many open files)"]
    assert not bench.crew.workers
