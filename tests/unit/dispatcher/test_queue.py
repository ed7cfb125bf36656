"""Who is next and who is idle: checked against a model that keeps everything in plain lists and counts again each time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefork.dispatcher.queue import FEW, UNLIMITED, Queue, Share

SIZE, TIMEOUT = 5, 10.0


class Job:
    def __init__(self, arrived: float = 0.0, lane: int = 0, mark: int = 0) -> None:
        self.arrived = arrived
        self.lane = lane
        self.mark = mark
        self.withdrawn = False


def share(reserved: int, more: int | None) -> Share:
    return Share(reserved, UNLIMITED if more is None else max(1, reserved + more))


shares = st.lists(st.builds(share, st.integers(0, 3), st.none() | st.integers(0, 3)), max_size=3).map(lambda few: [*few, Share()])


class Model(RuleBasedStateMachine):
    """`waiting` are the jobs that wait, in the order of their turns; `busy` and `leaving` map workers to their jobs."""

    @initialize(shares=shares)
    def start(self, shares: list[Share]) -> None:
        self.shares = shares
        self.queue: Queue[Job, int] = Queue(SIZE, TIMEOUT, shares)
        self.now = 0.0
        self.waiting: list[Job] = []
        self.idle: list[int] = []
        self.busy: dict[int, Job] = {}
        self.leaving: dict[int, Job] = {}
        self.workers = itertools.count(1)

    # The rules of lanes, said as plainly as they can be.

    def busy_with(self, lane: int) -> int:
        return sum(1 for job in self.busy.values() if job.lane == lane)

    def reservations(self) -> list[int]:
        """Met in the order of the lanes, and one worker is left to everybody."""
        left = max(0, len(self.idle) + len(self.busy) - 1)
        met = []
        for share in self.shares:
            met.append(min(share.reserved, left))
            left -= met[-1]
        return met

    def kept(self) -> int:
        """Idle workers that the lanes which have less than their reservation wait for."""
        return sum(max(0, reserved - self.busy_with(lane)) for lane, reserved in enumerate(self.reservations()))

    def may_be_served(self, lane: int) -> bool:
        reservations, limit, busy = self.reservations(), self.shares[lane].limit, self.busy_with(lane)
        if not self.idle:
            return False
        if limit != UNLIMITED:
            others = sum(reservations) - reservations[lane]
            leaving = sum(1 for job in self.leaving.values() if job.lane == lane)
            if busy + leaving >= limit or busy >= max(1, len(self.idle) + len(self.busy) - others - 1):
                return False
        return busy < reservations[lane] or len(self.idle) > self.kept()

    def serve(self) -> None:
        """What waits and may be served is served, the oldest first."""
        while True:
            turn = self.queue.next()
            expected = next((job for job in self.waiting if self.may_be_served(job.lane)), None)
            if expected is None:
                assert turn is None
                return
            assert turn == (expected, self.idle[-1]), "the oldest, by the worker that was idle last"
            self.waiting.remove(expected)
            self.take(expected)

    def take(self, job: Job) -> None:
        reserved, busy, kept, idle = self.reservations()[job.lane], self.busy_with(job.lane), self.kept(), len(self.idle)
        self.busy[self.idle.pop()] = job
        if busy >= reserved:
            assert idle - 1 >= kept, "a worker was taken that is kept for another lane"

    def submit(self, job: Job) -> None:
        in_line = [other for other in self.waiting if other.lane == job.lane]
        may = not in_line and self.may_be_served(job.lane)
        assert self.queue.at_once(job.lane) == may
        worker = self.queue.claim(job)
        if may:
            assert worker == self.idle[-1]
            self.take(job)
            return
        assert worker is None
        assert self.queue.full(job.lane) == (len(in_line) >= SIZE)
        self.queue.wait(job)
        self.waiting.append(job)

    # What happens.

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_worker_comes(self) -> None:
        worker = next(self.workers)
        self.queue.release(worker)
        self.idle.append(worker)
        self.serve()

    @rule(data=st.data(), mark=st.integers(0, 5))
    def a_request_comes(self, data: st.DataObject, mark: int) -> None:
        lane = data.draw(st.integers(0, len(self.shares) - 1))
        if not self.queue.full(lane):
            self.submit(Job(self.now, lane, mark))

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def a_worker_finishes(self, data: st.DataObject) -> None:
        self.finish(data.draw(st.sampled_from(sorted(self.busy))))

    def finish(self, worker: int) -> None:
        del self.busy[worker]
        self.queue.release(worker)
        self.idle.append(worker)
        self.serve()

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def a_busy_worker_dies(self, data: st.DataObject) -> None:
        """Its request had its turn: it stands before those that wait."""
        worker = data.draw(st.sampled_from(sorted(self.busy)))
        job = self.busy.pop(worker)
        self.queue.forget(worker)
        self.queue.wait(job, first=True)
        self.waiting.insert(0, job)
        self.serve()

    @precondition(lambda self: self.idle)
    @rule(data=st.data(), retires=st.booleans())
    def an_idle_worker_goes(self, data: st.DataObject, retires: bool) -> None:
        worker = data.draw(st.sampled_from(self.idle))
        self.idle.remove(worker)
        (self.queue.retire if retires else self.queue.forget)(worker)
        self.serve()

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def a_busy_worker_retires(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.busy)))
        self.leaving[worker] = self.busy.pop(worker)
        self.queue.retire(worker)
        self.serve()

    @precondition(lambda self: self.leaving)
    @rule(data=st.data())
    def a_retired_worker_goes(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.leaving)))
        del self.leaving[worker]
        self.queue.forget(worker)
        self.serve()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        self.queue.withdraw(job)

    @rule()
    def waiting_too_long(self) -> None:
        """Expiry takes from the head of each line, up to the first request that may go on waiting."""
        expired = []
        for lane in range(len(self.shares)):
            in_line = [job for job in self.waiting if job.lane == lane]
            expired += itertools.takewhile(lambda job: self.now - job.arrived > TIMEOUT, in_line)
        assert list(self.queue.expired(self.now)) == expired
        self.waiting = [job for job in self.waiting if job not in expired]

    @rule(shares=shares)
    def other_lanes(self, shares: list[Share]) -> None:
        self.shares = shares
        self.queue.arrange(shares, lambda job: job.mark % len(shares))
        for job in (*self.waiting, *self.busy.values(), *self.leaving.values()):
            assert job.lane == job.mark % len(shares)
        self.serve()

    @precondition(lambda self: self.idle or self.busy)
    @rule(data=st.data())
    def nobody_starves(self, data: st.DataObject) -> None:
        """However many others come, to whichever lanes, all that wait are served as long as workers finish their work."""
        for worker in [*self.leaving]:
            del self.leaving[worker]
            self.queue.forget(worker)
        self.serve()
        starving = list(self.waiting)
        for _ in range(2 * len(starving) + 1):
            if not set(starving) & set(self.waiting):
                break
            for worker in data.draw(st.permutations(sorted(self.busy))):
                self.submit(Job(self.now, data.draw(st.integers(0, len(self.shares) - 1))))
                if worker in self.busy:
                    self.finish(worker)
        assert not set(starving) & set(self.waiting)
        self.empty()

    def empty(self) -> None:
        for job in self.waiting:
            self.queue.withdraw(job)
        self.waiting.clear()

    @invariant()
    def the_queue_agrees(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert [job for job in self.waiting if self.may_be_served(job.lane)] == [], "an idle worker while it may serve a request"
        assert list(self.queue.idle) == self.idle
        assert (self.queue.working, self.queue.leaving) == (self.busy, self.leaving)
        assert self.queue.length == len(self.waiting)
        assert self.queue.waiting() == self.waiting
        assert self.queue.oldest() == (self.waiting[0].arrived if self.waiting else None)
        assert self.queue.spare == len(self.idle) - self.kept()

    @invariant()
    def somebody_works_while_somebody_waits(self) -> None:
        if hasattr(self, "queue") and self.waiting:
            assert self.busy or self.leaving or not self.idle, "all workers are idle, and a request waits"


TestQueue = Model.TestCase
TestQueue.settings = settings(max_examples=150, stateful_step_count=40)


def queue(*shares: Share, workers: int = 0) -> Queue[Job, int]:
    made: Queue[Job, int] = Queue(SIZE, TIMEOUT, [*shares, Share()])
    for worker in range(workers):
        made.release(worker)
    return made


def test_a_limit_leaves_workers_to_others() -> None:
    line = queue(Share(0, 3), workers=4)
    assert [line.claim(Job(lane=0)) for _ in range(4)] == [3, 2, 1, None]
    assert line.claim(Job(lane=1)) == 0


@pytest.mark.parametrize(("workers", "most"), [(4, 3), (3, 2), (2, 1), (1, 1)])
def test_a_limited_lane_leaves_one_worker_of_several(workers: int, most: int) -> None:
    line = queue(Share(0, 3), workers=workers)
    assert sum(1 for _ in range(5) if line.claim(Job(lane=0)) is not None) == most


def test_a_limited_lane_leaves_a_worker_that_no_other_lane_reserves() -> None:
    line = queue(Share(0, 3), Share(1), workers=4)
    assert [line.claim(Job(lane=0)) for _ in range(3)] == [3, 2, None]
    assert line.claim(Job(lane=2)) == 1
    assert line.claim(Job(lane=2)) is None, "the last one is reserved"
    assert line.claim(Job(lane=1)) == 0


def test_reservations_that_cannot_be_met_leave_a_worker_to_everybody() -> None:
    line = queue(Share(2), Share(2), workers=3)
    assert line.claim(Job(lane=2)) == 2
    assert [line.claim(Job(lane=lane)) for lane in (2, 1, 0, 0)] == [None, None, 1, 0], "the first lane has its two"


def test_a_retired_worker_counts_for_the_limit_until_it_is_gone() -> None:
    line = queue(Share(0, 1), workers=2)
    assert line.claim(Job(lane=0)) == 1
    line.retire(1)
    line.release(2)
    waiting = Job(lane=0)
    assert line.claim(waiting) is None
    line.wait(waiting)
    assert line.next() is None
    line.forget(1)
    assert line.next() == (waiting, 2)


def test_a_flood_in_one_lane_fills_its_line_only() -> None:
    line = queue(Share())
    for _ in range(SIZE):
        line.wait(Job(lane=0))
    assert (line.full(0), line.full(1)) == (True, False)


def test_what_waits_for_its_own_lane_presses_nobody() -> None:
    line = queue(Share(0, 1), workers=2)
    assert line.claim(Job(lane=0)) == 1
    line.wait(Job(lane=0))
    assert line.pressing() == 0
    assert line.claim(Job(lane=1)) == 0
    line.wait(Job(lane=1))
    assert line.pressing() == 1, "all are busy, and the next one to be free is for it"


def test_forgetting_an_unknown_worker() -> None:
    line = queue(workers=1)
    line.forget(2)
    line.retire(3)
    assert line.claim(Job()) == 0


def test_the_line_is_empty_after_all_have_left() -> None:
    """What nobody waits for any more is not kept."""
    line = queue()
    jobs = [Job(0.0) for _ in range(3)]
    for job in jobs:
        line.wait(job)
    for job in jobs:
        line.withdraw(job)
    assert list(line.expired(0.0)) == []
    assert not line.lines[0].jobs


def test_the_line_does_not_grow_with_those_who_come_and_leave() -> None:
    line = queue()
    patient, last = Job(0.0), Job(0.0)
    line.wait(patient)
    for _ in range(10 * FEW):
        job = Job(0.0)
        line.wait(job)
        line.withdraw(job)
        assert len(line.lines[0].jobs) <= 2 * line.length + FEW
    line.wait(last)
    line.release(1)
    line.release(2)
    assert [line.next(), line.next(), line.next()] == [(patient, 2), (last, 1), None]


def test_a_worker_that_has_found_a_request_by_itself_is_not_idle() -> None:
    queue: Queue[Job, int] = Queue(SIZE, TIMEOUT)
    queue.release(1)
    queue.occupy(1, Job())
    assert queue.claim(Job()) is None
    queue.release(1)
    assert queue.claim(Job()) == 1
