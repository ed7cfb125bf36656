"""Killing in two steps, told to a dispatcher that answers when the test says so; and what is kept of it."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork.cgroups import Toll
from prefork.incidents import Ledger
from prefork.limits import Limits
from prefork.master import enforce, inquest
from prefork.master.enforce import OFTEN, QUIET, READ_BY, SAY_AGAIN, SEVERAL, SILENCE, STACKS, WORD, Enforcer
from prefork.master.fleet import State, Worker
from prefork.master.gauges import SHORTEST, Gauge, Task
from prefork.master.inquest import RECENT, Inquest
from prefork.master.inquest import WORD as LAST_WORD
from prefork.master.pairs import Pairs
from prefork.master.pools import CRON, HTTP, LIVE, POOLS, Pool
from prefork.master.remains import Remains
from prefork.master.spawn import Death
from prefork.master.supply import Supply
from prefork.meters import Gone, Relative
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, RECEIVED, REQUEST, RESIDENT_AT, Scoreboard, pack_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prefork.events import Event
    from prefork.incidents import Incident
    from prefork.master.generation import Generation
    from prefork.master.loop import Master

MIB = 1 << 20
NOW = 1000.0
REQUESTED = {"method": "GET", "target": "/x", "client": "10.0.0.1", "id": "abc-1", "attempt": 1, "tag": ""}


class Memory:
    """What every process has."""

    size = 10 * MIB

    def resident(self) -> int:
        return self.size

    proportional = resident

    def processor(self) -> float:
        return 7.5

    def close(self) -> None:
        pass


class Ends(Pairs):
    """Pairs of which only is noted that they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[int] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def close(self, worker: Worker) -> None:
        self.closed.append(worker.pid)
        self.meanwhile()


class Processes:
    """Those of workers that have none: it is noted what would have been done to them."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.hastened: list[int] = []
        self.cleared: list[int] = []
        self.halted: list[int] = []
        self.written = 0

    def ask_for_stacks(self, worker: Worker) -> None:
        self.asked.append(worker.pid)

    def clear_stacks(self, worker: Worker) -> None:
        self.cleared.append(worker.pid)

    def stacks_written(self, worker: Worker) -> int:
        return self.written

    def hasten(self, worker: Worker) -> None:
        assert worker.pid not in self.asked, "it is to have the processor when it is asked"
        self.hastened.append(worker.pid)

    def halt(self, worker: Worker) -> None:
        self.halted.append(worker.pid)

    def let_go_on(self, worker: Worker) -> None:
        self.halted.remove(worker.pid)


class Crew:
    """Workers without processes."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.pairs = Ends()
        self.processes = Processes()
        self.killed: list[str] = []

    def all(self) -> list[Worker]:
        return self.workers

    def ready(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.state is State.READY]

    def find(self, slot: int, pid: int) -> Worker | None:
        return next((worker for worker in self.workers if slot in worker.slots and worker.pid == pid), None)

    def retire(self, worker: Worker, reason: str, now: float) -> None:
        worker.to(State.RETIRING, now)

    def kill(self, worker: Worker, reason: str, now: float) -> None:
        worker.to(State.KILLED, now)
        self.killed.append(reason)


class Spies:
    """Nobody is at work until `program` is set."""

    def __init__(self) -> None:
        self.program: str | None = None
        self.at: list[Worker] = []
        self.time = 0.0

    def send(self, worker: Worker, now: float, until: float) -> bool:
        self.at.append(worker)
        self.time = until - now
        return True

    def is_at(self, worker: Worker) -> bool:
        return worker in self.at

    def call_off(self, worker: Worker) -> None:
        self.at.remove(worker)


class Court:
    """A master with an enforcer and an inquest."""

    def __init__(self, data_dir: Path) -> None:
        self.events: list[Event] = []
        self.told: list[dict[str, Any]] = []
        self.crew = Crew()
        self.processes = self.crew.processes
        self.spies = Spies()
        self.supplies = {pool.name: Supply(pool, 1) for pool in POOLS}
        self.scoreboard = Scoreboard.create()
        self.settings = SimpleNamespace(
            threaded=False,
            data_dir=data_dir,
            limit_memory_soft=100 * MIB,
            limit_memory_hard=200 * MIB,
            limit_time_cpu=0.0,
            limit_time_real=2.0,
            limit_time_worker=0.0,
            limit_time_real_cron=3.0,
            limit_time_worker_cron=0.0,
            limit_memory_soft_gevent=None,
            limit_memory_hard_gevent=None,
            websocket_stall=0.0,
        )
        self.journal = SimpleNamespace(emit=self.events.append)
        self.front = SimpleNamespace(tell=lambda kind, **said: self.told.append({"kind": kind, **said}))
        self.tolls: dict[int, Toll] = {}
        self.console = SimpleNamespace(readers=None)
        self.fuses = SimpleNamespace(toll=self.tolls.get, epitaph=lambda pid: f"the fuse of {pid}")
        self.memory = Memory()
        self.enforcer = Enforcer(cast("Master", self))
        self.enforcer.gauges.meter = lambda _: self.memory
        self.inquest = Inquest(cast("Master", self))
        self.now = NOW

    def hire(self, size: int = 10 * MIB, pool: Pool = HTTP) -> Worker:
        """A worker that is ready and has this many bytes."""
        slot = pool.first + len(self.crew.workers)
        worker = Worker(slot, 1, born=self.now, state=State.READY, since=self.now, pid=100 + slot, pool=pool)
        self.crew.workers.append(worker)
        self.memory.size = size
        self.step()
        self.enforcer.gauges.gauges[worker.pid].clock = lambda: self.now
        self.enforcer.gauges.gauges[worker.pid].weighed = self.now
        return worker

    def begin(self, worker: Worker, number: int, ago: float = 0.0, resident: int = 0) -> None:
        slot = self.scoreboard.slot(worker.slot)
        slot[RESIDENT_AT] = resident
        slot[BEGUN_AT] = int((self.now - ago) * 1e9)
        slot[REQUEST] = pack_progress(number, BEGUN)

    def step(self, after: float = 0.0) -> None:
        """Let time pass, and look."""
        self.now += after
        self.enforcer.gauges.next_look = self.now
        self.enforcer.step(self.now)

    def answer(self, worker: Worker, kind: str, **said: Any) -> None:
        self.enforcer.answered(worker.pid, {"kind": kind, **said})

    def names(self) -> list[str]:
        return [event.name() for event in self.events]

    def kept(self) -> list[Incident]:
        return list(Ledger(self.settings.data_dir).read())

    def bury(self, worker: Worker, code: int, said: str | None = None, orphans: Sequence[Relative] = ()) -> None:
        self.crew.workers.remove(worker)
        task = Task(5, self.now, 7.0, 0.0) if self.scoreboard.slot(worker.slot)[REQUEST] else None
        remains = Remains(worker, Death(worker.pid, code), task, None, said, "", served=True)
        self.inquest.open(remains, *self.enforcer.farewell(worker.pid), list(orphans))


@pytest.fixture
def court(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Court]:
    monkeypatch.setattr(enforce, "descendants", lambda _: [])
    monkeypatch.setattr(enforce, "is_about_to_take", lambda *_: False)
    monkeypatch.setattr(inquest, "kernel_kills", lambda: 3)
    court = Court(tmp_path)
    monkeypatch.setattr(enforce.time, "monotonic", lambda: court.now)
    court.inquest.counted_at = court.now
    yield court
    os.close(court.scoreboard.descriptor)


class TestTwoSteps:
    def test_the_dispatcher_first_then_the_stacks_then_the_end(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        (order,) = court.told
        assert (order["kind"], order["pid"], order["number"], order["status"]) == ("condemn", worker.pid, 5, 504)
        assert (court.names(), court.processes.asked) == (["limit_reached"], [])
        court.answer(worker, "condemned", request=REQUESTED)
        assert court.processes.asked == [worker.pid]
        court.processes.written = 100
        court.step(0.005)
        court.processes.written = 300
        court.step(0.005)
        court.step(QUIET - 0.001)
        assert court.crew.killed == [], "it may not have written all"
        court.step(0.002)
        assert court.crew.killed == [order["reason"]]
        assert court.told == [order], "it is condemned once"

    def test_neither_is_waited_for_for_long(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        court.step(WORD - 0.001)
        assert court.processes.asked == []
        court.step(0.002)
        assert court.processes.asked == [worker.pid]
        court.answer(worker, "condemned", request=REQUESTED)
        assert court.processes.asked == [worker.pid], "asked once"
        court.step(STACKS - 0.001)
        assert court.crew.killed == []
        court.step(0.002)
        assert len(court.crew.killed) == 1

    def test_of_one_that_has_nothing_but_connections_of_its_own_nobody_is_asked(self, court: Court) -> None:
        worker = court.hire(pool=LIVE)
        worker.to(State.RETIRING, court.now)
        court.memory.size = 1000 * MIB
        court.step(1.0)
        assert (court.told, court.processes.asked) == ([], [worker.pid])
        court.step(STACKS + 0.001)
        assert len(court.crew.killed) == 1

    def test_it_is_looked_after_all_the_time_until_it_is_killed(self, court: Court) -> None:
        worker = court.hire()
        assert court.enforcer.wake(court.now) > SHORTEST
        court.begin(worker, 5, ago=2.1)
        court.step()
        assert court.enforcer.wake(court.now) == SHORTEST
        court.step(WORD + 0.001)
        court.step(STACKS + 0.001)
        court.enforcer.gauges.next_look = court.now + 9
        assert court.enforcer.wake(court.now) == 9

    def test_one_that_has_answered_is_acquitted(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        court.begin(worker, 6)
        court.answer(worker, "acquitted")
        court.step(1.0)
        assert (court.processes.asked, court.crew.killed, worker.worn) == ([], [], False)

    def test_what_a_request_has_left_behind_is_not_the_next_ones_fault(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5)
        court.memory.size = 210 * MIB
        court.step()
        assert court.told[0]["status"] == 503
        court.begin(worker, 6)
        court.answer(worker, "acquitted")
        assert worker.worn, "it is replaced, and leaves after its request"
        court.step(0.5)
        assert len(court.told) == 1
        court.memory.size = 320 * MIB
        court.step(0.1)
        assert court.told[1]["number"] == 6, "half as much again is its own"

    def test_nor_is_it_where_nobody_has_looked_in_between(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 6, resident=210 * MIB)
        court.memory.size = 220 * MIB
        court.step()
        assert (court.told, court.names(), worker.worn) == ([], ["limit_reached"], True)
        court.step(0.05)
        assert court.names() == ["limit_reached"], "until it leaves it may have half as much again"
        court.memory.size = 320 * MIB
        court.step(0.05)
        assert court.told[0]["number"] == 6

    @pytest.mark.parametrize("resident", [0, 195 * MIB])
    def test_what_has_been_taken_since_is_its_own(self, court: Court, resident: int) -> None:
        worker = court.hire()
        court.begin(worker, 6, resident=resident)
        court.memory.size = 220 * MIB
        court.step()
        assert [order["number"] for order in court.told] == [6]

    def test_an_answer_that_comes_too_late_changes_nothing(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        court.step(WORD + 0.001)
        court.step(STACKS + 0.001)
        court.answer(worker, "acquitted")
        assert worker.pid in court.enforcer.condemned
        court.answer(Worker(9, 1, 0.0, pid=999), "condemned", request=None)

    @pytest.mark.parametrize("condemned_for", [5, 0])
    def test_where_the_dispatcher_says_nothing_a_request_that_began_meanwhile_lives(self, court: Court, condemned_for: int) -> None:
        worker = court.hire()
        if condemned_for:
            court.begin(worker, condemned_for, ago=2.1)
        else:
            court.memory.size = 210 * MIB
        court.step()
        assert court.told[0]["number"] == condemned_for
        court.step(WORD + 0.001)
        court.begin(worker, 6)
        court.step(STACKS + 0.001)
        assert (court.crew.killed, court.enforcer.condemned) == ([], {})
        assert court.processes.cleared == [worker.pid], "these stacks are not its last words"

    def test_other_reasons_have_the_second_step_only(self, court: Court) -> None:
        worker = court.hire()
        assert court.enforcer.end(worker, "stuck", "it hangs", court.now)
        assert not court.enforcer.end(worker, "stuck", "it hangs", court.now)
        assert (court.told, court.processes.asked) == ([], [worker.pid])
        court.step(STACKS + 0.001)
        assert court.crew.killed == ["it hangs"]
        coming = Worker(7, 1, court.now)
        assert not court.enforcer.end(coming, "boot", "it has no pid yet", court.now)


class TestReadFromOutside:
    """One that has written nothing is halted and read, where that is possible."""

    @pytest.fixture
    def silent(self, court: Court) -> Worker:
        """Condemned, asked, and silent."""
        court.spies.program = "py-spy"
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        court.answer(worker, "condemned", request=REQUESTED)
        return worker

    def test_it_is_halted_until_that_has_been_done_and_killed_then(self, court: Court, silent: Worker) -> None:
        court.step(SILENCE - 0.001)
        assert court.processes.halted == []
        court.step(0.002)
        assert (court.processes.halted, court.spies.at, court.crew.killed) == ([silent.pid], [silent], [])
        assert court.spies.time == pytest.approx(READ_BY - SILENCE - 0.001)
        court.step(0.02)
        assert (len(court.spies.at), court.crew.killed) == (1, []), "it is still being read"
        court.processes.written = 300
        court.spies.at.clear()
        court.step()
        assert len(court.crew.killed) == 1

    def test_one_that_may_only_lack_a_processor_has_as_long_as_where_nobody_reads(
        self, court: Court, silent: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(enforce, "is_about_to_take", lambda *_: True)
        court.step(STACKS - 0.001)
        assert court.crew.killed == []
        court.step(0.002)
        assert (court.processes.halted, court.spies.at, len(court.crew.killed)) == ([], [], 1)

    def test_one_that_writes_is_left_to_do_so(self, court: Court, silent: Worker) -> None:
        court.processes.written = 100
        court.step(SILENCE + 0.001)
        court.processes.written = 200
        court.step(0.01)
        court.step(QUIET + 0.001)
        assert (court.processes.halted, court.spies.at, len(court.crew.killed)) == ([], [], 1)

    def test_nobody_is_halted_where_nobody_reads(self, court: Court, silent: Worker) -> None:
        court.spies.program = None
        court.step(STACKS - 0.001)
        assert court.crew.killed == []
        court.step(0.002)
        assert (court.processes.halted, len(court.crew.killed)) == ([], 1)

    def test_where_there_are_too_many_it_is_killed_at_once(
        self, court: Court, silent: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(court.spies, "send", lambda *_: False)
        court.step(SILENCE + 0.001)
        assert len(court.crew.killed) == 1

    @pytest.mark.parametrize("answers", [True, False])
    def test_one_that_turns_out_to_have_answered_goes_on(self, court: Court, silent: Worker, answers: bool) -> None:
        court.step(SILENCE + 0.001)
        assert court.processes.halted == [silent.pid]
        court.begin(silent, 6)
        if answers:
            court.answer(silent, "acquitted")
        court.step(0.001)
        assert (court.processes.halted, court.spies.at, court.crew.killed) == ([], [], [])
        assert court.enforcer.condemned == {}


class TestJobs:
    """Nobody else knows what a worker does that finds its work itself."""

    def test_it_is_cut_off_and_killed_with_the_name_of_its_job(self, court: Court) -> None:
        worker = court.hire(pool=CRON)
        court.begin(worker, 5, ago=3.1)
        court.scoreboard.slot(worker.slot).set_tag(5, "mail")
        court.step()
        assert (court.told, court.crew.pairs.closed, court.processes.asked) == ([], [worker.pid], [worker.pid])
        assert court.processes.hastened == [worker.pid]
        court.step(STACKS + 0.001)
        (reason,) = court.crew.killed
        assert reason == "its job took 3.10 s, limit_time_real_cron allows 3 s"
        court.scoreboard.slot(worker.slot)[REQUEST] = pack_progress(5, DONE)
        court.bury(worker, -signal.SIGKILL)
        (incident,) = court.kept()
        assert (incident.pool, incident.cause, incident.job) == ("cron", "limit_time_real_cron", {"name": "mail", "run": 5})
        assert "limit_time_real_cron" in incident.advice

    @pytest.mark.parametrize("then", [pack_progress(5, DONE), pack_progress(6, BEGUN)])
    def test_one_that_has_finished_it_is_let_go(self, court: Court, then: int) -> None:
        worker = court.hire(pool=CRON)
        court.begin(worker, 5, ago=3.1)

        def finish() -> None:
            court.scoreboard.slot(worker.slot)[REQUEST] = then

        court.crew.pairs.meanwhile = finish
        court.step()
        assert (worker.state, court.processes.asked, court.enforcer.condemned) == (State.RETIRING, [], {})

    def test_one_that_waits_has_all_the_time_of_the_world(self, court: Court) -> None:
        worker = court.hire(pool=CRON)
        court.begin(worker, 5, ago=3.1)
        court.scoreboard.slot(worker.slot)[REQUEST] = pack_progress(0, RECEIVED)
        court.step(1000.0)
        assert (court.names(), court.crew.pairs.closed) == ([], [])

    @pytest.mark.parametrize(("written", "allowed"), [(None, 2.0), (0.0, 0.0), (7.0, 7.0)])
    def test_their_time_is_that_of_requests_unless_it_is_their_own(
        self, court: Court, written: float | None, allowed: float
    ) -> None:
        court.settings.limit_time_real_cron = written
        assert court.enforcer.limits()["cron"].time_real == allowed

    def test_threads_are_no_reason_to_let_jobs_go_on_for_ever(self, court: Court) -> None:
        court.settings.threaded = True
        assert court.enforcer.limits()["cron"].time_real == 3.0


class TestSoftLimit:
    def test_it_is_replaced_once(self, court: Court) -> None:
        worker = court.hire()
        court.memory.size = 120 * MIB
        court.step(1)
        court.step(1)
        assert (worker.worn, court.names(), court.told) == (True, ["limit_reached"], [])

    def test_one_that_is_leaving_anyway_is_let_be(self, court: Court) -> None:
        worker = court.hire()
        worker.to(State.RETIRING, court.now)
        court.memory.size = 120 * MIB
        court.step(1)
        assert (worker.worn, court.names()) == (False, [])

    def test_again_and_again(self, court: Court) -> None:
        def leak() -> None:
            court.hire()
            court.memory.size = 120 * MIB
            court.step(1)
            court.crew.workers.clear()
            court.enforcer.gauges.gauges.clear()

        for _ in range(SEVERAL - 1):
            leak()
        assert "limit_too_low" not in court.names()
        for _ in range(SEVERAL):
            leak()
        assert court.names().count("limit_too_low") == 1, "it is not said all the time"
        court.now += SAY_AGAIN
        leak()
        assert court.names().count("limit_too_low") == 2

    def test_a_worker_that_lived_for_long_was_worth_its_start(self, court: Court) -> None:
        for number in range(3 * SEVERAL):
            court.hire()
            court.memory.size = 120 * MIB
            court.step(1 if number % SEVERAL else OFTEN + 1)
            court.crew.workers.clear()
            court.enforcer.gauges.gauges.clear()
        assert "limit_too_low" not in court.names()

    def test_too_large_from_the_start(self, court: Court) -> None:
        court.supplies["http"].count = 2
        court.hire(120 * MIB)
        assert court.names() == [], "with few others to share with it weighs more than it will"
        court.hire(110 * MIB)
        assert court.names() == ["fresh_too_large"]
        court.hire(110 * MIB)
        court.step(1)
        assert court.names() == ["fresh_too_large"]
        assert not any(worker.worn for worker in court.crew.workers)


def test_threads_have_an_age_only(court: Court) -> None:
    court.settings.threaded = True
    court.settings.limit_time_worker = 60.0
    assert court.enforcer.limits()["http"] == Limits(age=60.0)


class TestInquest:
    @pytest.mark.parametrize(
        ("code", "cause"),
        [
            (-signal.SIGSEGV, "crash"),
            (-signal.SIGABRT, "crash"),
            (-signal.SIGKILL, "signal"),
            (-signal.SIGTERM, "signal"),
            (3, "exit"),
        ],
    )
    def test_causes(self, court: Court, code: int, cause: str) -> None:
        court.bury(court.hire(), code)
        (incident,) = court.kept()
        assert (incident.cause, incident.request, incident.elapsed) == (cause, None, None)
        assert incident.advice
        assert court.names() == ["incident_recorded"]
        assert court.inquest.count == 1

    def test_want_of_memory_is_the_kernels_own_word(self, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second, third, fourth = court.hire(), court.hire(), court.hire(), court.hire()
        monkeypatch.setattr(inquest, "kernel_kills", lambda: 4)
        court.bury(first, -signal.SIGTERM)
        court.bury(second, -signal.SIGKILL)
        court.bury(third, -signal.SIGKILL)
        assert [each.cause for each in court.kept()] == ["signal", "oom", "signal"], "one kill explains one death"
        assert "probably" in court.kept()[1].reason, "it may have been something else's"
        monkeypatch.setattr(inquest, "kernel_kills", lambda: 5)
        court.now += RECENT + 1
        court.inquest.step(court.now)
        court.bury(fourth, -signal.SIGKILL)
        assert court.kept()[3].cause == "signal", "what was killed long ago explains nothing"

    def test_what_is_put_down_to_a_fuse_explains_no_other_death(self, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
        fused, killed = court.hire(), court.hire()
        monkeypatch.setattr(inquest, "kernel_kills", lambda: 5)
        court.tolls[fused.pid] = Toll(2, 1)
        court.bury(fused, -signal.SIGKILL)
        court.bury(killed, -signal.SIGKILL)
        assert [each.cause for each in court.kept()] == ["fuse", "signal"]

    def test_who_died_alone_left_children_too(self, court: Court) -> None:
        court.bury(court.hire(), -signal.SIGSEGV, orphans=[Relative(7, "wkhtmltopdf", 90 * MIB)])
        (incident,) = court.kept()
        assert incident.children == [{"pid": 7, "name": "wkhtmltopdf", "memory": 90 * MIB}]

    def test_the_counters_of_its_own_group_are_about_nobody_else(self, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
        fused, starved, killed, ended = (court.hire() for _ in range(4))
        monkeypatch.setattr(inquest, "kernel_kills", lambda: 4)
        tolls = {fused: Toll(2, 1), starved: Toll(1, 0), killed: Toll(0, 0), ended: Toll(1, 1)}
        court.tolls.update((worker.pid, toll) for worker, toll in tolls.items())
        for worker in (fused, starved, killed):
            court.bury(worker, -signal.SIGKILL)
        court.bury(ended, -signal.SIGTERM)
        assert [each.cause for each in court.kept()] == ["fuse", "oom", "signal", "signal"]
        assert court.kept()[0].reason == f"the fuse of {fused.pid}"
        assert "not of its own control group's (oom_kill 1 there)" in court.kept()[1].reason

    def test_one_that_could_not_get_ready(self, court: Court) -> None:
        court.bury(court.hire(), 1, said="Traceback:\n  x\nImportError: no\n")
        (incident,) = court.kept()
        assert (incident.cause, incident.reason) == ("boot", "it could not get ready: ImportError: no")
        assert incident.stacks.startswith("Traceback")

    def test_code_that_could_not_be_loaded(self, court: Court) -> None:
        generation = cast("Generation", SimpleNamespace(number=2))
        court.inquest.note_loading(generation, 77, "ImportError: no", "Traceback:\n  x\nImportError: no\n")
        (incident,) = court.kept()
        assert (incident.worker, incident.pool, incident.pid, incident.generation) == ("template", "-", 77, 2)
        assert (incident.cause, incident.reason) == ("boot", "the application could not be loaded: ImportError: no")
        assert incident.stacks.startswith("Traceback")
        assert (court.names(), court.inquest.count) == (["loading_recorded"], 1)

    def test_the_dispatchers_word_is_waited_for(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5)
        court.crew.pairs.unreleased = {worker.slot}
        court.bury(worker, -signal.SIGSEGV)
        assert court.kept() == []
        court.inquest.hear(worker.slot, worker.pid, {"incident": "0a1b2c3d", "request": REQUESTED, "status": 502})
        (incident,) = court.kept()
        assert (incident.id, incident.request, incident.status, incident.cpu) == ("0a1b2c3d", REQUESTED, 502, 0.5)

    def test_but_not_for_long(self, court: Court) -> None:
        worker = court.hire()
        court.crew.pairs.unreleased = {worker.slot}
        court.bury(worker, -signal.SIGSEGV)
        court.inquest.step(court.now + LAST_WORD - 0.01)
        assert court.kept() == []
        court.inquest.step(court.now + LAST_WORD + 0.01)
        assert len(court.kept()) == 1
        assert court.inquest.cases == []

    def test_it_may_come_before_the_death(self, court: Court) -> None:
        worker = court.hire()
        court.inquest.hear(worker.slot, worker.pid, {"incident": "0a1b2c3d", "request": REQUESTED, "status": 0})
        court.bury(worker, -signal.SIGKILL)
        (incident,) = court.kept()
        assert (incident.id, incident.status) == ("0a1b2c3d", None)
        assert court.inquest.words == {}

    def test_words_about_those_who_left_well_are_not_kept(self, court: Court) -> None:
        worker = court.hire()
        court.inquest.hear(worker.slot, worker.pid, {"status": 0, "request": REQUESTED})
        court.inquest.forget(worker)
        court.crew.workers.clear()
        court.inquest.hear(worker.slot, worker.pid, {"status": 0, "request": REQUESTED})
        assert court.inquest.words == {}

    def test_a_sentence_is_the_cause_whatever_the_death(self, court: Court) -> None:
        worker = court.hire()
        court.begin(worker, 5, ago=2.1)
        court.step()
        court.answer(worker, "condemned", request=REQUESTED)
        court.bury(worker, -signal.SIGKILL)
        (incident,) = court.kept()
        assert (incident.cause, incident.id) == ("limit_time_real", court.told[0]["incident"])
        assert incident.request == REQUESTED, "as the dispatcher said it when it condemned"

    def test_each_thread_s_request_has_its_own(self, court: Court) -> None:
        worker = court.hire()
        worker.threads = 3
        court.crew.pairs.unreleased = {0, 1, 2}
        court.bury(worker, -signal.SIGSEGV)
        for slot in range(3):
            assert court.kept() == []
            word = {"incident": f"{slot:08}", "request": REQUESTED | {"id": f"r{slot}"}, "status": 502}
            court.inquest.hear(slot, worker.pid, word if slot else {})
        assert [(each.id, each.request and each.request["id"]) for each in court.kept()] == [("00000001", "r1"), ("00000002", "r2")]

    def test_a_process_that_is_gone_altogether_has_no_figures(self, court: Court) -> None:
        def gone() -> float:
            raise Gone

        court.memory.processor = gone  # type: ignore[method-assign]
        worker = court.hire()
        court.begin(worker, 5)
        gauge = court.enforcer.gauges.gauges[worker.pid]
        assert isinstance(gauge, Gauge)
        court.bury(worker, -signal.SIGKILL)
        assert court.kept()[0].cpu is None

    def test_a_full_disk_loses_it_and_says_so(self, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: Incident) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(court.inquest.ledger, "add", refuse)
        court.bury(court.hire(), 3)
        assert court.names() == ["incident_lost", "incident_recorded"]
