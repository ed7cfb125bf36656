"""What is done for the machine where memory is scarce: readings, decisions, and a guard over a fleet of values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.events import Event, MemoryScarce
from prefork.master.fleet import State, Worker
from prefork.master.guard import LOOK, PAUSE, PRESSED, SAY, Guard, Weight, fattest, is_cramped, is_short
from prefork.master.headroom import Headroom, read_headroom

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30
CALM = Headroom(8 * GIB, 16 * GIB, 0.0)
SHORT = Headroom(200 * MIB, 16 * GIB, PRESSED + 1)
CRAMPED = Headroom(50 * MIB, 16 * GIB, 0.0)


def worker(slot: int, state: State = State.READY, *, busy: bool = False, worn: bool = False) -> Worker:
    return Worker(slot, 1, 0.0, state, pid=slot + 100, busy=busy, worn=worn)


def weight(slot: int, memory: int, fresh: int = 100 * MIB, **state: Any) -> Weight:
    return Weight(worker(slot, **state), memory, fresh)


# Readings.


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\nHugePages_Total:       0\n",
    )
    return tmp_path


def test_the_machine_says_what_is_left(root: Path) -> None:
    assert read_headroom(root) == Headroom(8 * GIB, 16 * GIB, None)


def test_pressure_is_the_share_of_ten_seconds_in_which_somebody_waited(root: Path) -> None:
    text = "some avg10=12.34 avg60=3.00 avg300=1.00 total=99\nfull avg10=56.00 avg60=0.00 avg300=0.00 total=1\n"
    write(root, "proc/pressure/memory", text)
    assert read_headroom(root).pressure == 12.34


def test_a_cgroup_of_version_2_with_less_left_counts_without_its_idle_cache(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/web.slice/prefork.service\n")
    group = "sys/fs/cgroup/web.slice/prefork.service/"
    write(root, group + "memory.max", "max\n")
    write(root, group + "memory.pressure", "some avg10=70.00 avg60=0.00 avg300=0.00 total=1\n")
    write(root, "sys/fs/cgroup/web.slice/memory.max", f"{4 * GIB}\n")
    write(root, "sys/fs/cgroup/web.slice/memory.current", f"{3 * GIB}\n")
    write(root, "sys/fs/cgroup/web.slice/memory.stat", f"anon 1\ninactive_file {GIB // 2}\n")
    assert read_headroom(root) == Headroom(GIB + GIB // 2, 4 * GIB, 70.0)


def test_a_cgroup_of_version_1_counts_too(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/web\n0::/\n")
    write(root, "sys/fs/cgroup/memory/web/memory.limit_in_bytes", f"{GIB}\n")
    write(root, "sys/fs/cgroup/memory/web/memory.usage_in_bytes", f"{GIB}\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n")
    assert read_headroom(root) == Headroom(0, GIB, None)


def test_what_cannot_be_read_bounds_nothing(tmp_path: Path) -> None:
    assert read_headroom(tmp_path) == Headroom(None, None, None)


def test_this_machine_can_be_read() -> None:
    found = read_headroom()
    assert found.available is not None
    assert found.total is not None
    assert 0 < found.available <= found.total


# Decisions.


@pytest.mark.parametrize(
    ("headroom", "short", "cramped"),
    [
        (CALM, False, False),
        (SHORT, True, False),
        (SHORT._replace(pressure=PRESSED), False, False),
        (SHORT._replace(pressure=None), False, False),
        (SHORT._replace(available=GIB), False, False),
        (CRAMPED, False, True),
        (CRAMPED._replace(pressure=99.0), True, True),
        (CRAMPED._replace(pressure=None), True, True),
        (Headroom(None, None, 99.0), False, False),
    ],
)
def test_memory_is_short_where_little_is_left_and_somebody_waits(headroom: Headroom, short: bool, cramped: bool) -> None:
    assert (is_short(headroom, 100 * MIB), is_cramped(headroom, 100 * MIB)) == (short, cramped)


def test_a_large_application_needs_more_to_be_left() -> None:
    assert is_short(SHORT._replace(available=GIB), 2 * GIB)


def test_the_idle_worker_that_has_grown_the_most_goes_first() -> None:
    large = weight(1, 400 * MIB)
    assert fattest([weight(0, 300 * MIB), large, weight(2, 900 * MIB, busy=True), weight(3, 500 * MIB, fresh=450 * MIB)]) is large


@pytest.mark.parametrize("memory", [100 * MIB, 149 * MIB])
def test_a_worker_that_has_hardly_grown_stays(memory: int) -> None:
    assert fattest([weight(0, memory)]) is None
    assert fattest([weight(0, 20 * MIB, fresh=MIB)]) is None


@pytest.mark.parametrize(
    "other",
    [weight(1, 0, fresh=0, state=State.BOOTING), weight(1, 0, state=State.RETIRING), weight(1, 500 * MIB, worn=True)],
)
def test_one_at_a_time(other: Weight) -> None:
    assert fattest([weight(0, 400 * MIB), other]) is None


# The guard.


class Server:
    """A master as far as the guard knows one: workers with gauges, readings, and what was said."""

    def __init__(self, *weights: Weight, threaded: bool = False) -> None:
        self.said: list[Event] = []
        self.headroom = CALM
        self.settings = SimpleNamespace(threaded=threaded)
        self.crew = SimpleNamespace(all=lambda: [each.worker for each in weights])
        gauges = {each.worker.pid: SimpleNamespace(memory=each.memory, fresh=each.fresh) for each in weights if each.fresh}
        self.enforcer = SimpleNamespace(gauges=SimpleNamespace(gauges=gauges))
        self.journal = SimpleNamespace(emit=self.said.append)
        self.weights = weights
        self.guard = Guard(self, lambda: self.headroom)  # type: ignore[arg-type]

    def worn(self) -> list[int]:
        return [each.worker.slot for each in self.weights if each.worker.worn]


def test_a_calm_machine_needs_nothing() -> None:
    server = Server(weight(0, 900 * MIB))
    server.guard.step(0.0)
    assert (server.worn(), server.said, server.guard.cramped) == ([], [], False)


def test_the_fattest_is_replaced_and_the_log_says_why() -> None:
    server = Server(weight(0, 300 * MIB), weight(1, 400 * MIB))
    server.headroom = SHORT
    server.guard.step(0.0)
    assert server.worn() == [1]
    (said,) = server.said
    assert said == MemoryScarce(200 * MIB, PRESSED + 1, f"worker http.2 with {400 * MIB} bytes is idle and is replaced")


def test_the_next_one_has_to_wait_until_the_pressure_can_have_gone() -> None:
    server = Server(weight(0, 300 * MIB), weight(1, 400 * MIB))
    server.headroom = SHORT
    server.guard.step(0.0)
    server.weights[1].worker.worn = False  # it has been replaced
    server.guard.step(PAUSE - 0.1)
    assert server.worn() == []
    server.guard.step(PAUSE - 0.1 + LOOK)
    assert server.worn() == [1]


def test_it_is_said_once_a_minute() -> None:
    server = Server(weight(0, 100 * MIB))
    server.headroom = CRAMPED
    for now in (0.0, LOOK, SAY - LOOK, SAY, SAY + LOOK):
        server.guard.step(now)
    assert server.guard.cramped
    assert len(server.said) == 2
    assert "no room for one worker more" in str(server.said[0])
    server.headroom = CALM
    server.guard.step(3 * SAY)
    assert not server.guard.cramped
    assert len(server.said) == 2


def test_between_two_looks_nothing_is_read() -> None:
    server = Server(weight(0, 400 * MIB))
    server.guard.step(0.0)
    server.headroom = SHORT
    server.guard.step(LOOK / 2)
    assert server.worn() == []


def test_threads_share_a_process_that_is_not_replaced() -> None:
    server = Server(weight(0, 900 * MIB), threaded=True)
    server.headroom = SHORT
    server.guard.step(0.0)
    assert (server.worn(), server.said) == ([], [])
