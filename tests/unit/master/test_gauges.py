"""What the gauges read and when, with processes and a clock that do as they are told."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from prefork.limits import CPUS, Limit, Limits
from prefork.master.fleet import State, Worker
from prefork.master.gauges import BUSY, CALM, IDLE, PAUSE, SHORTEST, Finding, Gauge, Gauges, fair, task_of
from prefork.meters import Gone
from prefork.scoreboard import (
    ALLOWED,
    BEGUN,
    BEGUN_AT,
    CPU_AT,
    DONE,
    FOREVER,
    OPEN,
    RECEIVED,
    REQUEST,
    TURNED,
    WRITING,
    Scoreboard,
    pack_progress,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
LIMITS = Limits(memory_soft=100 * MIB, memory_hard=200 * MIB)
COST = 0.01  # seconds of a dear reading


class Process:
    """Its own memory and that which it shares, half of which counts."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.waits = 0.0  # for a processor, during the dear reading
        self.own = 10 * MIB
        self.common = 80 * MIB
        self.spent = 0.0
        self.alive = True
        self.weighed = 0
        self.closed = False

    def resident(self) -> int:
        if not self.alive:
            raise Gone
        return self.own + self.common

    def proportional(self) -> int:
        if not self.alive:
            raise Gone
        self.weighed += 1
        self.now += COST + self.waits
        return self.own + self.common // 2

    def processor(self) -> float:
        return self.spent

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def gauge(process: Process) -> Gauge:
    gauge = Gauge(process, clock=lambda: process.now, processor=lambda: process.weighed * COST)
    gauge.fresh = gauge.weigh()
    process.weighed = 0
    return gauge


class TestMemory:
    def test_below_all_limits_only_the_cheap_reading_is_made(self, gauge: Gauge, process: Process) -> None:
        assert gauge.read(LIMITS) == 50 * MIB
        process.now += 9
        process.own += 5 * MIB
        assert gauge.read(LIMITS) == 55 * MIB
        assert process.weighed == 0

    def test_without_limits_too(self, gauge: Gauge, process: Process) -> None:
        process.own += 5000 * MIB
        assert gauge.read(Limits()) == 5050 * MIB
        assert process.weighed == 0

    def test_above_a_limit_it_is_exact(self, gauge: Gauge, process: Process) -> None:
        process.now += 9
        process.own, process.common = 60 * MIB, 180 * MIB
        assert gauge.read(LIMITS) == 150 * MIB
        assert process.weighed == 1

    def test_what_is_not_weighed_is_not_called_too_much(self, gauge: Gauge, process: Process) -> None:
        """More of what is shared has come in, half of which would count, but it is too early to weigh again."""
        process.common += 120 * MIB
        assert gauge.read(LIMITS) == 50 * MIB
        process.now += 1.01 * PAUSE * COST
        assert gauge.read(LIMITS) == 110 * MIB

    def test_the_dear_reading_takes_a_small_share_of_the_time(self, gauge: Gauge, process: Process) -> None:
        process.own = 150 * MIB
        started = process.now
        while process.now < started + 10:
            process.now += 0.005
            gauge.read(LIMITS)
        assert process.weighed * COST < 10 / PAUSE

    def test_the_hard_limit_is_not_waited_for(self, gauge: Gauge, process: Process) -> None:
        for own in (170, 190, 210):
            process.own = own * MIB
            assert gauge.read(LIMITS) == (own + 40) * MIB
        assert process.weighed == 3

    def test_near_the_hard_limit_what_others_no_longer_share_is_seen_soon(self, gauge: Gauge, process: Process) -> None:
        process.own = 155 * MIB
        process.now += 1.01 * PAUSE * COST
        assert gauge.read(replace(LIMITS, memory_soft=0)) == 195 * MIB
        process.now += 1.01 * PAUSE * COST
        process.own, process.common = 195 * MIB, 40 * MIB
        assert gauge.read(replace(LIMITS, memory_soft=0)) == 215 * MIB

    def test_a_busy_machine_makes_no_reading_dearer(self, gauge: Gauge, process: Process) -> None:
        process.waits = 1.0
        gauge.weigh()
        assert gauge.cost == pytest.approx(COST)

    def test_memory_that_is_no_longer_shared_is_noticed(self, gauge: Gauge, process: Process) -> None:
        process.now += 1.01 * CALM * COST
        process.own, process.common = 90 * MIB, 0
        assert gauge.read(LIMITS) == 50 * MIB, "it cannot be above any limit"
        process.own = 110 * MIB
        assert gauge.read(LIMITS) == 110 * MIB
        assert process.weighed == 1

    def test_the_curve_has_few_points(self, gauge: Gauge, process: Process) -> None:
        for _ in range(1000):
            process.now += 0.05
            gauge.read(LIMITS)
        times = [moment for moment, _ in gauge.curve]
        assert len(times) == gauge.curve.maxlen
        assert times[-1] - times[0] > 9


@pytest.mark.parametrize(
    ("soft", "hard", "fresh", "allowed"),
    [
        (100, 200, 50, (100, 200)),
        (100, 200, 100, (100, 200)),
        (100, 200, 120, (160, 200)),
        (100, 200, 240, (300, 360)),
        (100, 0, 120, (180, 0)),
        (0, 200, 300, (0, 450)),
        (0, 0, 300, (0, 0)),
    ],
)
def test_what_a_large_worker_may_use(soft: int, hard: int, fresh: int, allowed: tuple[int, int]) -> None:
    found = fair(Limits(memory_soft=soft * MIB, memory_hard=hard * MIB), fresh * MIB)
    assert (found.memory_soft // MIB, found.memory_hard // MIB) == allowed


class Shop:
    """One worker on a scoreboard."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.scoreboard = Scoreboard.create()
        self.slot = self.scoreboard.slot(3)
        self.worker = Worker(3, 1, born=process.now, state=State.READY, since=process.now, pid=77)
        self.gauges = Gauges(self.scoreboard, lambda _: process)
        self.gauge = self.gauges.admit(self.worker)
        process.weighed = 0

    def begin(self, number: int = 5, ago: float = 0.0, allowed: int = 0) -> None:
        self.slot[ALLOWED] = allowed
        self.slot[CPU_AT] = int(self.process.spent * 1e9)
        self.slot[BEGUN_AT] = int((self.process.now - ago) * 1e9)
        self.slot[REQUEST] = pack_progress(number, BEGUN)

    def look(self, limits: Limits) -> list[Finding]:
        return self.gauges.look([self.worker], {"http": limits}, self.process.now)

    def found(self, limits: Limits) -> Limit | None:
        findings = self.look(limits)
        return findings[0].verdict.limit if findings else None


@pytest.fixture
def shop(process: Process) -> Iterator[Shop]:
    shop = Shop(process)
    yield shop
    os.close(shop.scoreboard.descriptor)


class TestLook:
    def test_time_is_that_of_the_request(self, shop: Shop) -> None:
        limits = Limits(time_real=2.0)
        shop.process.now += 100
        assert shop.found(limits) is None, "it is idle"
        shop.begin(ago=1.99)
        assert shop.found(limits) is None
        assert shop.gauges.next_look - shop.process.now == pytest.approx(0.01)
        shop.process.now += 0.011
        (finding,) = shop.look(limits)
        assert (finding.verdict.limit, finding.task and finding.task.number) == (Limit.TIME_REAL, 5)

    def test_a_request_that_is_done_has_no_time(self, shop: Shop) -> None:
        shop.begin(ago=9)
        shop.slot[REQUEST] = pack_progress(5, DONE)
        assert shop.found(Limits(time_real=2.0)) is None

    def test_a_loop_that_is_held_up_without_a_request_is_by_what_it_keeps(self, shop: Shop) -> None:
        shop.worker.concurrency = 2
        shop.slot[TURNED] = int((shop.process.now - 3) * 1e9)
        assert shop.found(Limits(time_real=2.0)) is None, "it keeps nothing"
        shop.slot[OPEN] = 1
        assert shop.found(Limits(time_real=4.0)) is None
        assert shop.found(Limits(time_real=2.0)) is Limit.TIME_REAL

    def test_routes(self, shop: Shop) -> None:
        limits = Limits(time_real=2.0)
        shop.begin(ago=3, allowed=4_000_000_000)
        assert shop.found(limits) is None
        shop.begin(ago=4.1, allowed=4_000_000_000)
        assert shop.found(limits) is Limit.TIME_REAL
        shop.begin(ago=1, allowed=500_000_000)
        assert shop.found(limits) is Limit.TIME_REAL
        shop.begin(ago=100_000, allowed=FOREVER)
        assert shop.found(limits) is None

    def test_processor_time_is_that_of_the_request(self, shop: Shop) -> None:
        limits = Limits(time_cpu=2.0)
        shop.process.spent = 50.0
        shop.begin()
        shop.process.now += 9
        shop.process.spent += 2.0
        assert shop.found(limits) is None
        shop.process.spent += 0.01
        assert shop.found(limits) is Limit.TIME_CPU

    def test_the_processor_clock_is_read_when_it_can_matter_only(self, shop: Shop) -> None:
        shop.process.processor = lambda: pytest.fail("too early")  # type: ignore[method-assign,return-value]
        shop.begin(ago=1.9 / CPUS)
        assert shop.found(Limits(time_cpu=2.0)) is None

    def test_an_old_worker(self, shop: Shop) -> None:
        assert shop.gauge
        assert 1.0 <= shop.gauge.patience <= 1.1
        shop.process.now = shop.worker.born + 10 * shop.gauge.patience - 0.01
        assert shop.found(Limits(age=10)) is None
        shop.process.now += 0.02
        assert shop.found(Limits(age=10)) is Limit.AGE

    @pytest.mark.parametrize(("busy", "pause"), [(True, BUSY), (False, IDLE)])
    def test_how_often(self, shop: Shop, busy: bool, pause: float) -> None:
        if busy:
            shop.begin()
        assert shop.look(Limits(time_real=60.0)) == []
        assert shop.gauges.next_look - shop.process.now == pytest.approx(pause)

    def test_what_is_over_its_limit_is_no_reason_to_look_all_the_time(self, shop: Shop) -> None:
        shop.begin(ago=9)
        shop.look(Limits(time_real=2.0))
        assert shop.gauges.next_look - shop.process.now == pytest.approx(SHORTEST)

    def test_one_that_dies_meanwhile_is_passed_over(self, shop: Shop) -> None:
        shop.process.alive = False
        assert shop.look(LIMITS) == []
        assert shop.gauges.dismiss(77) is shop.gauge
        assert shop.process.closed
        assert shop.gauges.dismiss(77) is None

    def test_one_that_is_dead_before_it_is_admitted(self, shop: Shop) -> None:
        shop.process.alive = False
        shop.gauges.dismiss(77)
        assert shop.gauges.admit(shop.worker) is None
        assert shop.look(LIMITS) == []


@pytest.mark.parametrize(("state", "has"), [(RECEIVED, False), (BEGUN, True), (WRITING, True), (DONE, False)])
def test_task(shop: Shop, state: int, has: bool) -> None:
    shop.begin(ago=1, allowed=7_000_000_000)
    shop.slot[REQUEST] = pack_progress(5, state)
    task = task_of(shop.slot)
    assert (task is not None) == has
    if task:
        assert (task.number, task.begun, task.cpu, task.allowed) == (5, pytest.approx(shop.process.now - 1), 0.0, 7.0)
