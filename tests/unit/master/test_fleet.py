"""Whom to start, retire and kill: a fleet that lives through anything, and what `plan` promises meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from prefork.master.fleet import COMING, LEAVE_WITHIN, TRANSITIONS, Drop, Fork, Kill, Retire, State, Wanted, Worker, plan
from prefork.master.pools import CRON

BOOT_TIMEOUT = 60.0


def worker(slot: int, state: State, *, generation: int = 1, born: float = 0.0, worn: bool = False, busy: bool = False) -> Worker:
    return Worker(slot, generation, born, state, since=born, pid=slot + 100, worn=worn, busy=busy)


def wanted(count: int, generation: int = 1, not_before: float = 0.0, *, cramped: bool = False) -> Wanted:
    return Wanted(count, generation, BOOT_TIMEOUT, not_before, cramped)


# The table.


def test_the_table_has_every_state_and_an_end() -> None:
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.KILLED]
    assert all(State.KILLED in after for state, after in TRANSITIONS.items() if state is not State.KILLED)


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_only_what_the_table_has_is_possible(before: State, after: State) -> None:
    subject = worker(4, before)
    if after in TRANSITIONS[before]:
        subject.to(after, 5.0)
        assert (subject.state, subject.since) == (after, 5.0)
    else:
        with pytest.raises(RuntimeError, match=f"http.5 cannot go from {before.value} to {after.value}"):
            subject.to(after, 5.0)
        assert subject.state is before


def test_a_worker_is_called_by_its_places() -> None:
    assert (worker(4, State.READY).name, list(worker(4, State.READY).slots)) == ("http.5", [4])
    threaded = Worker(8, 1, 0.0, threads=4)
    assert (threaded.name, list(threaded.slots)) == ("http.9-12", [8, 9, 10, 11])
    assert Worker(8, 1, 0.0, threads=1).name == "http.9"
    assert Worker(CRON.first + 2, 1, 0.0, pool=CRON).name == "cron.3"


# One look at a time.


def test_a_start_forks_all_at_once() -> None:
    assert plan([], wanted(3), 0.0) == [Fork(1)] * 3


def test_a_start_waits_for_its_time() -> None:
    assert plan([], wanted(3, not_before=5.0), 4.9) == []
    assert plan([], wanted(3, not_before=5.0), 5.0) == [Fork(1)] * 3


def test_nothing_to_do() -> None:
    assert plan([worker(0, State.READY), worker(1, State.READY)], wanted(2), 0.0) == []
    assert plan([worker(0, State.READY), worker(1, State.BOOTING)], wanted(2), 0.0) == []


def test_the_dead_are_replaced_at_once() -> None:
    fleet = [worker(0, State.READY), worker(1, State.KILLED), worker(2, State.KILLED)]
    assert plan(fleet, wanted(3), 0.0) == [Fork(1)] * 2


def test_who_finds_its_work_itself_is_replaced_when_it_is_dead_or_will_not_die() -> None:
    dying = Worker(CRON.first, 1, 0.0, State.KILLED, since=5.0, pool=CRON)
    assert plan([dying], wanted(1), 5.0) == []
    assert plan([], wanted(1), 5.1) == [Fork(1)]
    assert plan([dying], wanted(1), 5.1 + LEAVE_WITHIN) == [Fork(1)]


def test_a_roll_starts_one_and_then_retires_one() -> None:
    old = [worker(slot, State.READY) for slot in range(3)]
    assert plan(old, wanted(3, generation=2), 0.0) == [Fork(2)]
    coming = worker(3, State.BOOTING, generation=2)
    assert plan([*old, coming], wanted(3, generation=2), 0.0) == []
    coming.to(State.READY, 1.0)
    assert plan([*old, coming], wanted(3, generation=2), 1.0) == [Fork(2), Retire(old[0], "generation 2 replaces it")]


def test_a_worn_worker_leaves_when_its_replacement_is_ready() -> None:
    worn, other, fresh = worker(0, State.READY, worn=True), worker(1, State.READY), worker(2, State.BOOTING, born=1.0)
    assert plan([worn, other], wanted(2), 0.0) == [Fork(1)]
    fresh.to(State.READY, 2.0)
    assert plan([worn, other, fresh], wanted(2), 2.0) == [Retire(worn, "its replacement is ready")]


def test_where_there_is_no_room_a_worn_worker_is_gone_before_its_replacement_is_started() -> None:
    worn, also, good = worker(0, State.READY, worn=True, busy=True), worker(1, State.READY, worn=True), worker(2, State.READY)
    cramped = wanted(3, cramped=True)
    assert plan([worn, also, good], cramped, 0.0) == [Retire(also, "there is no room for its replacement beside it")]
    for state in (State.RETIRING, State.LEAVING):
        also.to(state, 1.0)
        assert plan([worn, also, good], cramped, 1.0) == []
    assert plan([worn, good], cramped, 2.0) == [Fork(1)]
    coming = worker(3, State.BOOTING, born=2.0)
    assert plan([worn, good, coming], cramped, 3.0) == []
    coming.to(State.READY, 4.0)
    assert plan([worn, good, coming], cramped, 4.0) == [Retire(worn, "there is no room for its replacement beside it")]


def test_nobody_leaves_for_want_of_room_while_no_replacement_may_be_started() -> None:
    fleet = [worker(0, State.READY, worn=True), worker(1, State.READY)]
    assert plan(fleet, wanted(2, not_before=5.0, cramped=True), 4.0) == []


def test_the_dead_are_replaced_also_where_there_is_no_room() -> None:
    assert plan([worker(0, State.READY)], wanted(3, cramped=True), 0.0) == [Fork(1)] * 2


def test_a_reload_starts_the_new_code_first_also_where_there_is_no_room() -> None:
    old = [worker(slot, State.READY, worn=slot == 0) for slot in range(2)]
    assert plan(old, wanted(2, generation=2, cramped=True), 0.0) == [Fork(2)]


def test_scaling_down_takes_idle_and_young_workers_first() -> None:
    busy = worker(0, State.READY, born=9.0, busy=True)
    old, young = worker(1, State.READY, born=1.0), worker(2, State.READY, born=2.0)
    assert plan([busy, old, young], wanted(2), 9.0) == [Retire(young, "only 2 wanted")]
    assert [a.worker for a in plan([busy, old, young], wanted(1), 9.0) if isinstance(a, Retire)] == [young, old]
    assert [a.worker for a in plan([busy, old, young], wanted(0), 9.0) if isinstance(a, Retire)] == [young, old, busy]


def test_scaling_down_stops_those_that_come() -> None:
    coming = worker(1, State.BOOTING)
    assert plan([worker(0, State.READY), coming], wanted(1), 0.0) == [Drop(coming)]


def test_those_of_an_abandoned_generation_are_not_waited_for() -> None:
    ready, coming = worker(0, State.READY), worker(1, State.BOOTING, generation=2)
    assert plan([ready, coming], wanted(1), 0.0) == [Drop(coming)]


def test_too_slow_to_come_or_to_go() -> None:
    coming, leaving = worker(0, State.BOOTING), worker(1, State.LEAVING)
    for now, killed in ((LEAVE_WITHIN, []), (LEAVE_WITHIN + 1, [leaving]), (BOOT_TIMEOUT + 1, [coming, leaving])):
        assert [a.worker for a in plan([coming, leaving], wanted(1), now) if isinstance(a, Kill)] == killed


# A life.


class Fleet(RuleBasedStateMachine):
    """Carries out what `plan` says, after every event, as the master does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.wanted = wanted(2)
        self.newest = 1
        self.slots = 0
        self.fleet: list[Worker] = []
        self.step()

    def of(self, *states: State) -> list[Worker]:
        return [worker for worker in self.fleet if worker.state in states]

    def draw(self, data: st.DataObject, *states: State) -> Worker:
        return data.draw(st.sampled_from(self.of(*states)))

    def step(self) -> None:
        before = len(self.of(State.READY))
        actions = plan(self.fleet, self.wanted, self.now)
        self.check(actions)
        for action in actions:
            if isinstance(action, Fork):
                self.slots += 1
                self.fleet.append(Worker(self.slots, action.generation, born=self.now, since=self.now))
            elif isinstance(action, Retire):
                action.worker.to(State.RETIRING, self.now)
            elif action.worker.state is not State.FORKING:  # what has no pid cannot be killed yet
                action.worker.to(State.KILLED, self.now)
        spared = 1 if self.wanted.cramped else 0
        assert len(self.of(State.READY)) >= min(self.wanted.count, before) - spared, "a ready worker was given up too early"
        if any(isinstance(action, Fork) for action in actions):
            useful = [w for w in self.of(*COMING) if w.generation == self.wanted.generation]
            assert len(self.of(State.READY)) + len(useful) <= self.wanted.count + 1, "memory for one more, not for two"
            alive = self.of(State.READY, State.RETIRING, State.LEAVING)
            if self.wanted.cramped and all(w.generation == self.wanted.generation for w in alive):
                assert len(alive) + len(useful) <= self.wanted.count, "there is no room for one more"

    def check(self, actions: list[Fork | Retire | Kill]) -> None:
        named = [id(action.worker) for action in actions if not isinstance(action, Fork)]
        assert len(named) == len(set(named)), "two actions for one worker"
        if self.now < self.wanted.not_before:
            assert not any(isinstance(action, Fork) for action in actions)
        retired = [action.worker for action in actions if isinstance(action, Retire)]
        for stays, goes in product(self.of(State.READY), retired):
            if stays not in retired:
                alike = self.is_fresh(stays) == self.is_fresh(goes)
                assert not (alike and goes.busy and not stays.busy), "an idle one stays, a busy one goes"
                assert not (self.is_fresh(goes) and not self.is_fresh(stays)), "the old stays, the new goes"

    def is_fresh(self, worker: Worker) -> bool:
        return worker.generation == self.wanted.generation and not worker.worn

    @precondition(lambda self: self.of(State.FORKING))
    @rule(data=st.data())
    def forked(self, data: st.DataObject) -> None:
        self.draw(data, State.FORKING).to(State.BOOTING, self.now)

    @precondition(lambda self: self.of(State.BOOTING))
    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        self.draw(data, State.BOOTING).to(State.READY, self.now)

    @precondition(lambda self: self.of(State.READY))
    @rule(data=st.data(), busy=st.booleans(), worn=st.booleans())
    def works(self, data: st.DataObject, busy: bool, worn: bool) -> None:
        subject = self.draw(data, State.READY)
        subject.busy, subject.worn = busy, subject.worn or worn

    @precondition(lambda self: self.of(State.RETIRING))
    @rule(data=st.data())
    def released(self, data: st.DataObject) -> None:
        self.draw(data, State.RETIRING).to(State.LEAVING, self.now)

    @precondition(lambda self: self.of(State.BOOTING, State.READY, State.RETIRING, State.LEAVING, State.KILLED))
    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        self.fleet.remove(self.draw(data, State.BOOTING, State.READY, State.RETIRING, State.LEAVING, State.KILLED))

    @rule(seconds=st.floats(0, 2 * BOOT_TIMEOUT))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(0, 6))
    def scale(self, count: int) -> None:
        self.wanted = wanted(count, self.wanted.generation, cramped=self.wanted.cramped)

    @rule()
    def reload(self) -> None:
        self.newest += 1
        self.wanted = wanted(self.wanted.count, self.newest)

    @rule(back=st.integers(1, 2))
    def roll_back(self, back: int) -> None:
        self.wanted = wanted(self.wanted.count, max(1, self.wanted.generation - back))

    @rule(delay=st.floats(0, 30))
    def back_off(self, delay: float) -> None:
        self.wanted = wanted(self.wanted.count, self.wanted.generation, self.now + delay)

    @rule(cramped=st.booleans())
    def memory(self, cramped: bool) -> None:
        self.wanted = replace(self.wanted, cramped=cramped)

    @invariant()
    def the_master_looks(self) -> None:
        self.step()

    def teardown(self) -> None:
        """Left alone, it becomes what is wanted, and stays so."""
        self.wanted = wanted(self.wanted.count, self.wanted.generation, cramped=self.wanted.cramped)
        for _ in range(200):
            self.settle()
            self.step()
        assert sorted(worker.state.value for worker in self.fleet) == ["ready"] * self.wanted.count
        assert all(self.is_fresh(worker) for worker in self.fleet)

    def settle(self) -> None:
        """Everybody does what is next."""
        onwards = {State.FORKING: State.BOOTING, State.BOOTING: State.READY, State.RETIRING: State.LEAVING}
        for subject in list(self.fleet):
            if subject.state in {State.LEAVING, State.KILLED}:
                self.fleet.remove(subject)
            elif subject.state in onwards:
                subject.to(onwards[subject.state], self.now)


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=150, stateful_step_count=40)
