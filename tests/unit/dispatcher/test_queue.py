"""Who is next and who is idle: checked against a model that keeps everything in plain lists."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from prefork.dispatcher.queue import FEW, Queue

SIZE, TIMEOUT = 5, 10.0


class Job:
    def __init__(self, arrived: float) -> None:
        self.arrived = arrived
        self.withdrawn = False


class Model(RuleBasedStateMachine):
    """`waiting` are the jobs that wait, in the order they are to be served; `busy` maps workers to their jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue[Job, int] = Queue(SIZE, TIMEOUT)
        self.now = 0.0
        self.waiting: list[Job] = []
        self.idle: list[int] = []
        self.busy: dict[int, Job] = {}
        self.workers = 0

    def settle(self, worker: int, job: Job | None) -> None:
        """What `release` said, against what it should have said."""
        expected = self.waiting.pop(0) if self.waiting else None
        assert job is expected
        if job is None:
            self.idle.append(worker)
        else:
            self.busy[worker] = job

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_worker_comes(self) -> None:
        self.workers += 1
        self.settle(self.workers, self.queue.release(self.workers))

    @rule()
    def a_request_comes(self) -> None:
        job = Job(self.now)
        worker = self.queue.claim()
        if self.idle:
            assert worker == self.idle.pop(), "the worker that was idle last works first"
            self.busy[worker] = job
            return
        assert worker is None
        assert self.queue.full() == (len(self.waiting) >= SIZE)
        if not self.queue.full():
            self.queue.wait(job)
            self.waiting.append(job)

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def a_worker_finishes(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.busy)))
        del self.busy[worker]
        self.settle(worker, self.queue.release(worker))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def a_busy_worker_dies(self, data: st.DataObject) -> None:
        """Its request had its turn: it goes to an idle worker, or stands before those that wait."""
        worker = data.draw(st.sampled_from(sorted(self.busy)))
        job = self.busy.pop(worker)
        self.queue.forget(worker)
        other = self.queue.claim()
        if self.idle:
            assert other == self.idle.pop()
            self.busy[other] = job
        else:
            assert other is None
            self.queue.wait(job, first=True)
            self.waiting.insert(0, job)

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def an_idle_worker_goes(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.idle))
        self.idle.remove(worker)
        self.queue.forget(worker)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        self.queue.withdraw(job)

    @rule()
    def waiting_too_long(self) -> None:
        """Expiry takes from the head of the line, up to the first request that may go on waiting."""
        expired = []
        while self.waiting and self.now - self.waiting[0].arrived > TIMEOUT:
            expired.append(self.waiting.pop(0))
        assert list(self.queue.expired(self.now)) == expired

    @invariant()
    def the_queue_agrees(self) -> None:
        assert not (self.queue.idle and self.waiting), "an idle worker while a request waits"
        assert self.queue.idle == self.idle
        assert self.queue.length == len(self.waiting)
        assert [job for job in self.queue.line if not job.withdrawn] == self.waiting
        assert self.queue.oldest() == (self.waiting[0].arrived if self.waiting else None)


TestQueue = Model.TestCase
TestQueue.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


def test_forgetting_an_unknown_worker() -> None:
    queue: Queue[Job, int] = Queue(SIZE, TIMEOUT)
    queue.release(1)
    queue.forget(2)
    assert queue.claim() == 1


def test_the_line_is_empty_after_all_have_left() -> None:
    """What nobody waits for any more is not kept."""
    queue: Queue[Job, int] = Queue(SIZE, TIMEOUT)
    jobs = [Job(0.0) for _ in range(3)]
    for job in jobs:
        queue.wait(job)
    for job in jobs:
        queue.withdraw(job)
    assert list(queue.expired(0.0)) == []
    assert not queue.line


def test_the_line_does_not_grow_with_those_who_come_and_leave() -> None:
    queue: Queue[Job, int] = Queue(SIZE, TIMEOUT)
    patient, last = Job(0.0), Job(0.0)
    queue.wait(patient)
    for _ in range(10 * FEW):
        job = Job(0.0)
        queue.wait(job)
        queue.withdraw(job)
        assert len(queue.line) <= 2 * queue.length + FEW
    queue.wait(last)
    assert [queue.release(1), queue.release(1), queue.release(1)] == [patient, last, None]
