"""How exact limits are: none is enforced early, none more than a quarter of a second late, and siblings hardly notice.

What the machine adds is taken off by measure: see `punctuality`, and each kill is compared with the same work that breaks no limit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import pytest
from offences import MIB, ask, failed, limited
from punctuality import GRAIN, RunDelay, crossing, moment, waits

from prefork.testing import Load, Server
from prefork.testing.client import Connection, Request

Probe = Callable[..., Server]
T = TypeVar("T")
Note = Callable[[str, object], None]
pytestmark = pytest.mark.story(rounds=3)

LATE = 0.25  # seconds that a limit may be enforced late
SLOWER = 0.05  # seconds that siblings may be slower for a kill
PAIRS = 3  # kills in a telling


@dataclass(frozen=True)
class Deadly:
    """A limit that kills: its options, a request that breaks it, the same work within it, and what an incident says was used.

    `used` is the name of a field in seconds; without one it is memory, and the time is that of the crossing.
    """

    options: dict[str, object]
    guilty: str
    harmless: str
    allowed: float
    status: int = 504
    used: str = ""


DEADLY = {
    "limit_memory_hard": Deadly(
        {"limit_memory_hard": "120M"},
        "/swell?mib=121&seconds=30&file={file}",
        "/swell?mib=116&seconds=0.1&file={file}",
        120 * MIB,
        503,
    ),
    "limit_time_real": Deadly(
        {"limit_time_real": 0.4}, "/sleep?seconds=30", "/sleep?seconds=0.1", 0.4, used="elapsed"
    ),
    "limit_time_real_routes": Deadly(
        {"limit_time_real": 9, "limit_time_real_routes": "/sleep:0.4"},
        "/sleep?seconds=30",
        "/sleep?seconds=0.1",
        0.4,
        used="elapsed",
    ),
    "limit_time_cpu": Deadly({"limit_time_cpu": 0.3}, "/spin?seconds=30", "/spin?seconds=0.2&cpu=1", 0.3, used="cpu"),
}  # fmt: skip


@pytest.mark.story  # one telling kills three times
@pytest.mark.parametrize("name", DEADLY)
def test_a_limit_kills_in_time_and_siblings_hardly_notice(probe: Probe, tmp_path: Path, record_property: Note, name: str) -> None:
    row, slower = DEADLY[name], []
    with probe(workers=3, **limited(**row.options)) as server, Connection("127.0.0.1", server.port) as kept:
        assert kept.exchange(Request("/fast")).status == 200
        for _ in range(PAIRS):
            readings = tmp_path / "readings"
            calm, _ = beside_siblings(server, partial(ask, server, row.harmless.format(file=readings)))
            delay = RunDelay(server)
            harmed, found = beside_siblings(server, partial(failed, server, row.guilty.format(file=readings), row.status))
            late = lateness(row, found, readings)
            assert late >= -GRAIN, f"it was early: {found}"
            assert late - delay.seconds() <= LATE, f"{late:.3f} s late, {delay.seconds():.3f} s without a processor: {found}"
            slower.append(harmed - calm)
            record_property("late", late)
            record_property("late, less the wait for a processor", max(0.0, late - delay.seconds()))
            record_property("siblings slower", slower[-1])
            assert kept.exchange(Request("/fast")).status == 200
            assert not kept.stale(), "a kept-alive connection was closed"
        assert median(slower) <= SLOWER, slower
        assert len(server.events("limit_reached")) == len(server.events("worker_died")) == PAIRS


def beside_siblings(server: Server, work: Callable[[], T]) -> tuple[float, T]:
    """Do some work while others ask: the longest that one of them waited, in seconds, and what came of it. None may fail."""
    with Load(server.url, ["/fast"], threads=2) as load:
        load.wait(10)
        result = work()
        load.wait(10)
        outcome = load.stop()
    assert not outcome.failed, outcome.summary()
    assert outcome.reconnects == 0, "a kept-alive connection was closed"
    return outcome.slowest, result


def lateness(row: Deadly, found: dict[str, Any], readings: Path) -> float:
    """Seconds between the limit and the worker's burial; negative when that was early."""
    if row.used:
        return float(found[row.used] - row.allowed)
    assert found["memory"] > row.allowed, "it was below its limit"
    return float(found["time"] - crossing(readings, int(row.allowed)))


def test_a_worker_above_its_soft_limit_is_found_in_time(probe: Probe, tmp_path: Path, record_property: Note) -> None:
    with probe(workers=1, **limited(limit_memory_soft="100M")) as server:
        assert ask(server, f"/swell?mib=96&seconds=0.2&file={tmp_path}/below").status == 200
        assert not server.events("limit_reached"), "it was early"
        delay = RunDelay(server)
        assert ask(server, f"/swell?mib=101&seconds=0.5&file={tmp_path}/readings").status == 200
        reached = server.wait_for("limit_reached")
        # Its replacement shares more of the template's heap with it, so that the worker may see itself below the limit again.
        assert moment(reached) >= crossing(tmp_path / "readings", 98 * MIB) - GRAIN, "it was early"
        late = moment(reached) - crossing(tmp_path / "readings", 100 * MIB)
        assert late <= LATE + delay.seconds()
        assert "limit_memory_soft allows 100 MiB" in reached["reason"]
        record_property("late", late)
        record_property("late, less the wait for a processor", max(0.0, late - delay.seconds()))
        assert moment(server.wait_for("worker_retiring")) >= moment(reached)
        assert not server.events("worker_died")


def test_a_worker_is_replaced_after_its_requests(probe: Probe, record_property: Note) -> None:
    with probe(workers=1, limit_request=20, limit_request_jitter=0, **limited()) as server:
        with Connection("127.0.0.1", server.port) as client:
            for _ in range(19):
                assert client.exchange(Request("/fast")).status == 200
            delay, before, asked = RunDelay(server), server.mark(), time.time()
            assert client.exchange(Request("/fast")).status == 200
        ready = server.wait_for("worker_ready", after=before)
        late = moment(ready) - ready["seconds"] - asked  # until its replacement was ordered
        assert -GRAIN <= late <= LATE + delay.seconds()
        record_property("late", late)
        record_property("late, less the wait for a processor", max(0.0, late - delay.seconds()))
        assert [event["pid"] for event in server.events("worker_retiring", after=before)] != [ready["pid"]]


def test_a_worker_is_found_to_be_old_in_time(probe: Probe, record_property: Note) -> None:
    with probe(workers=1, **limited(limit_time_worker=0.5)) as server:
        ready, old = server.wait_for("worker_ready"), server.wait_for("limit_reached")
        assert ready["pid"] == old["pid"]
        age = moment(old) - moment(ready) + ready["seconds"]
        late = age - 0.5 * 1.1  # none grows old together with the others: up to a tenth more is allowed
        assert age >= 0.5 - GRAIN, "it was early"
        delay = sum(waits(server).values())  # since they began: it may have been old before anybody looked
        assert late <= LATE + delay
        record_property("late", max(0.0, late))
        record_property("late, less the wait for a processor", max(0.0, late - delay))
