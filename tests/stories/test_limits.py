"""What breaks a limit ends, at the limit; nobody else notices, and an incident tells what it was doing."""

import json
import linecache
import os
import random
import re
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from offences import MIB, ask, asking, failed, incident, incidents, limited
from punctuality import RunDelay

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Probe = Callable[..., Server]
pytestmark = pytest.mark.story
raced = pytest.mark.story(rounds=3)  # a request begins or ends beside a kill

LATE = 0.25  # seconds that a limit may be enforced late
MACHINE = 0.35  # seconds that a machine with other work may add


def supply(server: Server) -> Iterator[int]:
    """How many workers took requests after each event that changed it, from the moment when the server was ready."""
    ready, began = 0, False
    for event in server.events():
        ready += {"worker_ready": 1, "worker_retiring": -1, "worker_died": -1}.get(event["event"], 0)
        began = began or event["event"] == "server_ready"
        if began:
            yield ready


def test_a_leak_is_recycled_and_memory_stays_flat(probe: Probe) -> None:
    limits = limited(limit_memory_soft="80M", limit_memory_hard="400M")
    with probe(workers=2, **limits) as server, Load(server.url, ["/leak?mib=5"], threads=3) as load:
        memory = []
        for _ in range(6):
            load.wait(25)
            memory.append(sum(worker["memory"] or 0 for worker in server.status()["workers"]))
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0
        assert len(server.events("worker_retiring", reason="its replacement is ready")) >= 3
        assert min(supply(server)) == 2, "a worker retired before its replacement was ready"
        # 150 requests leak 750 MiB. Two workers, and one that retires, each a few requests beyond its limit.
        assert max(memory) < 3 * 140 * MIB, memory
        assert not server.events("worker_died")
        said = server.wait_for("limit_too_low", limit="limit_memory_soft")
        assert said["level"] == "critical"
        assert "constantly restarting" in said["message"]
        assert "virtual memory limit (" in server.wait_for("limit_reached")["message"], "Odoo's own words"


@raced
def test_a_worker_above_its_hard_limit_is_killed_with_all_that_it_started(probe: Probe, tmp_path: Path) -> None:
    with probe(workers=3, **limited(limit_memory_hard="300M")) as server, Load(server.url, ["/fast"], threads=2) as load:
        load.wait(50)
        others, delay = set(server.workers().values()), RunDelay(server)
        found = failed(server, f"/hog?limit=290&file={tmp_path}/reached", 503)
        late = found["time"] - float((tmp_path / "reached").read_text()) - delay.seconds()
        assert late < LATE + MACHINE, f"killed {late:.3f} s after it had reached its limit"
        assert (found["cause"], found["request"]["tag"]) == ("limit_memory_hard", "the hog")
        assert found["memory"] > 300 * MIB
        assert found["curve"][-1][1] == found["memory"]
        assert len(found["children"]) == 2
        assert "in do_hog" in found["stacks"]
        assert stat.S_IMODE(os.stat(os.path.join(server.data_dir, "incidents.jsonl")).st_mode) == 0o600
        gone = {found["pid"], *(child["pid"] for child in found["children"])}
        await_fact(lambda: gone.isdisjoint(server.tree()), "an end of the worker and its descendants", server)
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed"
        assert others - {found["pid"]} <= set(server.workers().values()), "a sibling was harmed"
        assert f"Worker (pid: {found['pid']}) killed" in server.wait_for("incident_recorded")["message"], "Odoo's own words"
        assert server.status()["incidents"] == 1


def test_time_counts_from_the_beginning_of_the_request_itself(probe: Probe) -> None:
    with probe(workers=1, **limited(limit_time_real=1.5)) as server, Connection("127.0.0.1", server.port) as connection:
        assert connection.exchange(Request("/fast")).status == 200
        # Meanwhile that connection is idle, and of these eight requests the last one waits for longer than the limit.
        assert asking(server, *["/sleep?seconds=0.25"] * 8) == [200] * 8
        assert connection.exchange(Request("/sleep?seconds=0.25")).status == 200
        assert not server.events("limit_reached")


@raced
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_takes_too_long_gets_504_and_is_never_made_again(probe: Probe, tmp_path: Path, method: str) -> None:
    with probe(workers=2, **limited(limit_time_real=1)) as server:
        delay = RunDelay(server)
        found = failed(server, f"/marked?seconds=30&file={tmp_path}/begun", 504, method)
        assert (found["cause"], found["request"]["attempt"]) == ("limit_time_real", 1)
        assert 1 <= found["elapsed"] < 1 + LATE + MACHINE + delay.seconds()
        assert found["cpu"] < 0.5
        assert len((tmp_path / "begun").read_text().splitlines()) == 1, "it was made again"
        assert len(server.events("worker_died")) == 1
        assert f"WorkerHTTP ({found['pid']}) timeout after 1s" in server.wait_for("limit_reached")["message"], "Odoo's own words"
        assert ask(server, "/fast").status == 200


def test_only_the_processor_time_of_the_request_itself_counts(probe: Probe) -> None:
    with probe(workers=3, **limited(limit_time_cpu=0.5)) as server:
        assert asking(server, "/sleep?seconds=1", "/subprocess?seconds=0.8") == [200, 200]
        for _ in range(3):  # a worker's earlier requests do not count
            assert asking(server, *["/spin?seconds=0.2"] * 3) == [200, 200, 200]
        delay = RunDelay(server)
        found = failed(server, "/spin?seconds=30", 504)
        assert found["cause"] == "limit_time_cpu"
        assert 0.5 <= found["cpu"] < 0.5 + LATE + MACHINE + delay.seconds()
        assert "in do_spin" in found["stacks"]
        assert f"Worker ({found['pid']}) CPU time limit (0.5) reached." in server.wait_for("limit_reached")["message"]


def test_routes_have_times_of_their_own(probe: Probe, tmp_path: Path) -> None:
    limits = limited(limit_time_real=0.5, limit_time_real_routes="/mark*:2,/subp*:0")
    with probe(workers=3, **limits) as server:
        begun = f"&file={tmp_path}/begun"
        targets = ["/sleep?seconds=30", f"/marked?seconds=0.8{begun}", "/subprocess?seconds=0.8"]
        assert sorted(asking(server, *targets)) == [200, 200, 504]
        assert failed(server, f"/marked?seconds=30{begun}", 504)["elapsed"] >= 2
        server.configure(limit_time_real_routes=None)
        server.reload()
        assert "limit_time_real allows 0.5 s" in failed(server, f"/marked?seconds=30{begun}", 504)["reason"]


@pytest.mark.parametrize("limits", [{"limit_memory_soft": "60M"}, {"limit_memory_soft": "50M", "limit_memory_hard": "60M"}])
def test_a_worker_that_is_too_large_from_its_start_is_reported_once_and_kept(probe: Probe, limits: dict[str, object]) -> None:
    with probe(workers=2, preload="false", env={"HEAP": "80"}, **limited(**limits)) as server:
        with Load(server.url, threads=3) as load:
            load.wait(300)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        said = server.events("fresh_too_large")
        assert {each["limit"] for each in said} == set(limits)
        assert len(said) == len(limits), "it was said again"
        assert not server.events("limit_reached")


def test_memory_that_workers_share_counts_in_proportion(probe: Probe, full: bool) -> None:
    heap, limit = (400, 300) if full else (120, 90)
    with probe(workers=8, preload="true", env={"HEAP": str(heap)}, **limited(limit_memory_soft=f"{limit}M")) as server:
        with Load(server.url, threads=8) as load:
            load.wait(300)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert not server.events("limit_reached")
        assert not server.events("fresh_too_large")
        assert len(server.events("worker_ready")) == 8
        # Resident memory does not change when a worker writes to what it shares; its share does.
        ask(server, "/touch")
        assert "limit_memory_soft" in server.wait_for("limit_reached")["reason"]
        server.wait_for("worker_retiring")


def test_a_worker_is_replaced_at_its_age(probe: Probe) -> None:
    with probe(workers=2, **limited(limit_time_worker=1)) as server, Load(server.url, threads=2) as load:
        await_fact(lambda: len(server.events("worker_retiring")) >= 2, "workers that retire", server)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert "limit_time_worker allows 1" in server.wait_for("limit_reached")["reason"]
        assert min(supply(server)) == 2
        assert not server.events("incident_recorded")


@raced
@pytest.mark.timeout(180)
def test_no_request_dies_for_the_one_before_it(probe: Probe, full: bool) -> None:
    chance = random.Random(1)

    def requests(thread: int, number: int) -> Request:
        if chance.random() < 0.6:
            return Request("/fast", expect=frozenset({200}))
        # It ends at the very moment when it is found to take too long; or later, on a machine that finds it late.
        seconds = chance.uniform(0.22, chance.choice([0.3, 0.3, 0.3, 1]))
        return Request(f"/sleep?seconds={seconds:.4f}", chance.choice(["GET", "POST"]), expect=frozenset({200, 504}))

    with probe(workers=3, **limited(limit_time_real=0.25)) as server, Load(server.url, requests, threads=6) as load:
        load.wait(600 if full else 150, timeout=100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.statuses[504] > 2, "none was at its limit"
        # Its client hears of it first.
        await_fact(lambda: len(too_long(server)) >= outcome.statuses[504], "an incident for each", server)
        told = too_long(server)
        assert len(told) == outcome.statuses[504]
        assert min(each["elapsed"] for each in told) >= 0.25
        assert {each["request"]["target"].partition("?")[0] for each in told} == {"/sleep"}
        assert len({each["request"]["id"] for each in told}) == len(told), "one was made again"


def too_long(server: Server) -> list[dict[str, Any]]:
    """The incidents of requests that took too long."""
    return [each for each in incidents(server) if each["status"] == 504]


@raced
def test_memory_that_a_request_has_found_is_not_held_against_it(probe: Probe) -> None:
    with (
        probe(workers=2, **limited(limit_memory_hard="60M")) as server,
        Connection("127.0.0.1", server.port) as connection,
    ):
        for _ in range(3):
            # The one takes it faster than anybody looks, the other begins at once in the same worker and is looked at.
            assert connection.exchange(Request("/leak?mib=70", "POST")).status in {200, 503}
            assert connection.exchange(Request("/sleep?seconds=0.25", "POST")).status == 200
        assert not [each for each in server.events("incident_recorded") if "/sleep" in each["task"]]
        assert server.events("limit_reached"), "it was never seen"


GUILTY = {
    "usleep": "C.usleep(30_000_000)",
    "backtrack": 're.match("(a+)+$", "a" * 40 + "b")',
    "lock": "LOCK.acquire()",
}


@pytest.mark.parametrize("name", GUILTY)
def test_the_stacks_name_the_line_that_a_worker_hangs_in(probe: Probe, name: str) -> None:
    with probe(workers=1, **limited(limit_time_real=0.5)) as server:
        found = failed(server, f"/{name}", 504)
        assert line_of(found["stacks"], f"do_{name}") == GUILTY[name]
        assert "prefork/worker" not in found["stacks"], "frames that are the same each time"


def line_of(stacks: str, function: str) -> str:
    """The source of the line that stacks name in a function."""
    place = re.search(rf'File "(.+)", line (\d+) in {function}$', stacks, re.MULTILINE)
    assert place, stacks
    return linecache.getline(place[1], int(place[2])).strip()


def test_a_crash_in_native_code_has_its_stack(probe: Probe) -> None:
    with probe(workers=1) as server:
        found = failed(server, "/crash", 502, "POST")
        assert found["cause"] == "crash"
        assert "SIGSEGV" in found["reason"]
        assert "Segmentation fault" in found["stacks"]
        assert line_of(found["stacks"], "do_crash") == "ctypes.string_at(0)"


def test_what_a_worker_that_died_by_itself_left_behind_is_told_and_killed(probe: Probe) -> None:
    with probe(workers=1) as server:
        found = failed(server, "/fork?seconds=60&setsid=1&die=1", 502, "POST")
        (child,) = found["children"]
        assert child["memory"] > MIB
        await_fact(lambda: child["pid"] not in server.tree(), "an end of its child", server)


def test_the_stacks_of_all_workers_can_be_asked_for(probe: Probe, tmp_path: Path) -> None:
    with probe(workers=2) as server:
        client = threading.Thread(target=ask, args=(server, f"/held?file={tmp_path}/begun&gate={tmp_path}/gate"))
        client.start()
        await_fact((tmp_path / "begun").exists, "a request", server)
        said = server.ask({"command": "stacks"})
        assert [worker["worker"] for worker in said["workers"]] == ["http.1", "http.2"]
        assert sum("in do_held" in worker["stacks"] for worker in said["workers"]) == 1
        assert not server.events("stacks"), "what was asked for by command needs no log"
        (tmp_path / "gate").touch()
        client.join(10)
        # They are not taken for the last words of a worker that dies later.
        server.kill("http.1")
        assert incident(server, server.wait_for("incident_recorded")["incident"])["stacks"] == ""


def test_an_incident_that_cannot_be_kept_is_lost_and_nothing_else(probe: Probe) -> None:
    with probe(workers=1, **limited(limit_time_real=0.5)) as server:
        os.symlink("/dev/full", os.path.join(server.data_dir, "incidents.jsonl"))
        answer = ask(server, "/sleep?seconds=30")
        assert answer.status == 504
        lost = server.wait_for("incident_lost")
        assert (lost["incident"], lost["reason"]) == (json.loads(answer.body)["incident"], "No space left on device")
        assert ask(server, "/fast").status == 200


def test_threads_of_one_process_are_not_limited_one_by_one(probe: Probe) -> None:
    with probe(workers=0, **limited(limit_time_real=0.5, limit_time_cpu=0.5, limit_memory_hard="10M")) as server:
        assert asking(server, "/sleep?seconds=1", "/spin?seconds=0.7") == [200, 200]
        assert not server.events("limit_reached")
        assert "limit_time_real" in server.wait_for("threaded_mode")["message"]
