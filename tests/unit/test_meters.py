"""What the kernel says of real processes."""

from __future__ import annotations

import io
import mmap
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from prefork import meters
from prefork.meters import Gone, Meter, awake, descendants, is_about_to_take, kernel_kills

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


@pytest.fixture
def meter() -> Iterator[Meter]:
    meter = Meter(os.getpid())
    yield meter
    meter.close()


def test_memory(meter: Meter) -> None:
    resident, proportional = meter.resident(), meter.proportional()
    assert 0 < proportional <= resident
    with mmap.mmap(-1, 32 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        own.write(b"x" * 32 * MIB)
        assert meter.resident() - resident > 30 * MIB
        assert meter.proportional() - proportional > 30 * MIB


def test_memory_that_is_shared_counts_in_proportion(meter: Meter) -> None:
    with mmap.mmap(-1, 32 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as shared:
        shared.write(b"x" * 32 * MIB)
        before = meter.proportional()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        assert before - meter.proportional() > 12 * MIB
        assert meter.resident() > before - 4 * MIB
        os.close(writing)
        os.waitpid(child, 0)


def test_processor_time_is_that_of_the_process_without_its_children(meter: Meter) -> None:
    before = meter.processor()
    subprocess.run([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert meter.processor() - before < 0.2
    own = time.process_time()
    while time.process_time() - own < 0.05:
        pass
    assert abs(meter.processor() - time.process_time()) < 0.02


def test_a_dead_process_has_its_processor_time_until_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.1: pass"])
    meter = Meter(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert meter.processor() >= 0.1
    with pytest.raises(Gone):
        meter.proportional()
    child.wait()
    for reading in (meter.resident, meter.proportional, meter.processor):
        with pytest.raises(Gone):
            reading()
    with pytest.raises(Gone):
        Meter(child.pid)
    meter.close()


def test_descendants_are_found_wherever_they_have_moved() -> None:
    code = """
import os
if os.fork() == 0:
    os.setsid()
    os.fork()
os.write(1, b".")
os.read(0, 1)
"""
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(3) == b"..."
        found = descendants(process.pid)
        assert len(found) == 2
        assert all(child.resident > 0 and child.name.startswith("python") for child in found)
        assert found[0].told() == {"pid": found[0].pid, "name": found[0].name, "memory": found[0].resident}
        assert descendants(os.getpid(), {process.pid})[1:] == found
        assert process.pid not in [each.pid for each in descendants(os.getpid(), set())]
        process.communicate(b"...")
    assert descendants(process.pid) == []


def test_one_that_has_ended_has_no_memory_but_its_processor_time_until_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        meter = Meter(process.pid)
        assert meter.resident() > 0
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(Gone):
            meter.resident()
        with pytest.raises(Gone):
            meter.proportional()
        assert meter.processor() > 0
        meter.close()


@pytest.mark.parametrize(("text", "count"), [("pgmajfault 5\noom_kill 3\n", 3), ("pgmajfault 5\n", 0)])
def test_what_the_kernel_has_killed_is_its_own_count(monkeypatch: pytest.MonkeyPatch, text: str, count: int) -> None:
    monkeypatch.setattr(meters, "open", lambda *_, **__: io.StringIO(text), raising=False)
    assert kernel_kills() == count


def test_a_kernel_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(meters, "open", refuse, raising=False)
    assert kernel_kills() == 0


@pytest.mark.parametrize(
    ("state", "pending", "blocked", "about"),
    [
        ("R (running)", 1 << 40, 0, True),
        ("R (running)", 0, 0, False),
        ("R (running)", 1 << 40, 1 << 40, False),
        ("R (running)", 1 << 39, 0, False),
        ("D (disk sleep)", 1 << 40, 0, False),
        ("T (stopped)", 1 << 40, 0, False),
    ],
)
def test_who_only_lacks_a_processor_for_a_signal(
    monkeypatch: pytest.MonkeyPatch, state: str, pending: int, blocked: int, about: bool
) -> None:
    status = f"Name:\tpython3\nState:\t{state}\nGroups:\t \nSigPnd:\t{0:016x}\nShdPnd:\t{pending:016x}\nSigBlk:\t{blocked:016x}\n"
    monkeypatch.setattr(meters, "open", lambda *_, **__: io.StringIO(status), raising=False)
    assert is_about_to_take(7, 41) is about


def test_nobody_lacks_a_processor_who_is_gone_or_was_sent_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        assert not is_about_to_take(process.pid, 41)
    assert not is_about_to_take(os.getpid(), 41)


def test_who_sleeps_is_not_awake_and_who_computes_is() -> None:
    before = awake(os.getpid())
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    assert awake(os.getpid()) - before > 0.04
    assert awake(1 << 22) == 0.0
