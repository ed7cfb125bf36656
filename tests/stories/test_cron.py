"""Workers for jobs: what they run, how they end, and that requests never notice any of it."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact, failures
from punctuality import delayed, moment, waits

from prefork.testing import Load, Server

APPS = Path(__file__).parent / "apps"
EAGER = "eager:after_fork"
pytestmark = pytest.mark.story


class Chores:
    """A queue of jobs in a directory, and servers that run them."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def server(self, app: str | None = "chores:app", **options: object) -> Server:
        env = {"CHORES": str(self.place)}
        given = {"access_log": False, "max_cron_threads": 1, "job_source": "chores:Chores", **options}
        return Server(app, app_dir=APPS, env=env, **given)

    def add(self, name: str, task: str = "nothing") -> None:
        new = self.place / f"{name}.new"
        new.write_text(task)
        new.rename(self.place / f"{name}.due")

    def lines(self) -> list[list[str]]:
        """What was done: begin, end or fail, the name, the pid and the node."""
        done = self.place / "done"
        return [line.split() for line in done.read_text().splitlines()] if done.exists() else []

    def saw(self, what: str, name: str) -> list[int]:
        """The pids of those who did this."""
        return [int(pid) for each, chore, pid, _ in self.lines() if (each, chore) == (what, name)]

    def wait(self, server: Server, what: str, name: str, times: int = 1) -> int:
        """The pid of the last one who did this, once so many have."""
        await_fact(lambda: len(self.saw(what, name)) >= times, f"{times} × {what} {name} in {self.lines()}", server)
        return self.saw(what, name)[-1]


@pytest.fixture
def chores(tmp_path: Path) -> Chores:
    return Chores(tmp_path)


def cron(server: Server) -> list[dict[str, Any]]:
    return [worker for worker in server.status()["workers"] if worker["pool"] == "cron"]


def incident(server: Server) -> dict[str, Any]:
    """The only one that there is."""
    server.wait_for("incident_recorded")
    (line,) = Path(server.data_dir, "incidents.jsonl").read_text().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def test_a_job_runs_in_a_worker_of_its_own_kind(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("mail", "wait go")
        pid = chores.wait(server, "begin", "mail")
        (worker,) = cron(server)
        assert (worker["name"], worker["pid"], worker["state"], worker["job"]) == ("cron.1", pid, "busy", "mail")
        assert title(pid) == "prefork: cron 1 [chores:app]: mail"
        assert (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)) == (19, os.SCHED_IDLE)
        (chores.place / "go").touch()
        chores.wait(server, "end", "mail")
        await_fact(lambda: [(w["state"], w["job"], w["requests"]) for w in cron(server)] == [("idle", None, 1)], "rest", server)
        assert title(pid) == "prefork: cron 1 [chores:app]"
        assert (server.status()["wanted"], server.status()["cron"]) == (2, {"wanted": 1, "ready": 1})


def test_a_killed_worker_is_replaced_at_once_and_its_job_is_done_all_the_same(chores: Chores) -> None:
    with chores.server() as server, Load(server.url, ["/"], threads=2) as load:
        before = waits(server)
        chores.add("mail", "die")
        chores.wait(server, "end", "mail")
        first, second = chores.saw("begin", "mail")
        assert first != second
        found = incident(server)
        assert (found["pool"], found["pid"], found["cause"], found["request"]) == ("cron", first, "signal", None)
        assert found["job"] == {"name": "mail", "run": 1}
        assert "it was doing job mail, run 1" in server.wait_for("incident_recorded")["message"]
        died, ready = server.wait_for("worker_died"), server.wait_for("worker_ready", pid=second)
        assert ready["worker"] == "cron.1"
        assert moment(ready) - moment(died) - delayed(server, before) < 1
        load.wait(50)
        outcome = load.stop()
        assert (outcome.failed, outcome.reconnects) == ([], 0)


def test_a_reload_leaves_a_job_to_the_old_code_and_does_not_wait_for_it(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "wait go")
        old = chores.wait(server, "begin", "long")
        assert server.reload()["generation"] == 2
        chores.add("short")
        assert chores.wait(server, "end", "short") != old
        states = {worker["pid"]: worker["state"] for worker in cron(server)}
        assert states.pop(old) == "retiring"
        assert list(states.values()) == ["idle"]
        (chores.place / "go").touch()
        assert chores.wait(server, "end", "long") == old
        server.wait_for("worker_retiring", pid=old)
        await_fact(lambda: old not in server.tree(), "an end of the old worker", server)
        assert not server.events("worker_died")


def test_a_stop_waits_for_jobs_and_begins_none(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "wait go")
        chores.wait(server, "begin", "long")
        server.signal(signal.SIGTERM)
        server.wait_for("worker_retiring", worker="cron.1")
        chores.add("next")
        (chores.place / "go").touch()
        assert server.exit_status() == 0
        assert not server.events("stop_forced")
    assert [line[:2] for line in chores.lines()] == [["begin", "long"], ["end", "long"]]


def test_a_job_that_a_stop_waits_for_stands_back_for_nobody(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "wait go")
        pid = chores.wait(server, "begin", "long")
        server.signal(signal.SIGTERM)
        policy = os.SCHED_OTHER if os.geteuid() == 0 else os.SCHED_IDLE  # only root may give it more
        await_fact(lambda: os.sched_getscheduler(pid) == policy, "a job that gets its turns", server)
        (chores.place / "go").touch()
        assert server.exit_status() == 0


def test_a_stop_waits_no_longer_than_it_may(chores: Chores) -> None:
    with chores.server(graceful_timeout_cron="300ms") as server:
        chores.add("long", "sleep 60")
        chores.wait(server, "begin", "long")
        assert server.stop() == 0
        assert "cron.1" in server.wait_for("stop_forced")["reason"]
        assert server.wait_for("stopped")["seconds"] < 5
        assert not server.events("worker_died")


def test_a_stop_that_is_forced_ends_jobs(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "sleep 60")
        chores.wait(server, "begin", "long")
        server.signal(signal.SIGTERM)
        server.wait_for("worker_retiring", worker="cron.1")
        assert server.stop() == 0
        assert server.wait_for("stopped")["seconds"] < 5


def test_a_job_over_its_limit_is_killed_and_named(chores: Chores) -> None:
    # As quick as others: it is to be in its sleep before the limit, and beside them it might not even begin that.
    limits = {"limit_time_real_cron": "500ms", "limit_time_real": "60", "after_fork": EAGER}
    with chores.server(**limits) as server, Load(server.url, ["/"], threads=2) as load:
        before = waits(server)
        chores.add("stuck", "last sleep 60")
        found = incident(server)
        assert (found["cause"], found["worker"], found["job"]) == ("limit_time_real_cron", "cron.1", {"name": "stuck", "run": 1})
        assert 0.5 < found["elapsed"] < 1.5 + delayed(server, before)
        assert "in do_sleep" in found["stacks"]
        assert found["reason"].endswith("limit_time_real_cron allows 0.5 s")
        assert "WorkerCron (" in server.wait_for("limit_reached")["message"], "Odoo's own words"
        (chores.place / "outage").unlink()
        chores.wait(server, "begin", "stuck", times=2)
        load.wait(50)
        outcome = load.stop()
        assert (outcome.failed, outcome.reconnects) == ([], 0)


def test_a_child_that_comes_back_from_a_job_does_not_end_it(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("parent", "fork child")
        pid = chores.wait(server, "waited", "child")
        chores.add("next")
        assert chores.wait(server, "end", "next") == pid
        assert [line[:2] for line in chores.lines()] == [
            ["begin", "parent"],
            ["waited", "child"],
            ["end", "parent"],
            ["begin", "next"],
            ["end", "next"],
        ]


def test_the_processor_time_of_a_job_is_limited(chores: Chores) -> None:
    with chores.server(limit_time_cpu="200ms", limit_time_real_cron=0, after_fork=EAGER) as server:
        chores.add("loop", "last spin 60")
        found = incident(server)
        assert (found["cause"], found["job"]) == ("limit_time_cpu", {"name": "loop", "run": 1})
        assert "in do_spin" in found["stacks"]


def test_an_idle_worker_is_never_killed_for_its_time(chores: Chores) -> None:
    # A job that does nothing has this time too, of a worker that waits for others on a busy machine.
    with chores.server(limit_time_real_cron="2s", limit_time_cpu="300ms") as server:
        chores.add("first")
        pid = chores.wait(server, "end", "first")
        await_fact(lambda: cron(server)[0]["age"] > 3, "an older worker", server)
        chores.add("second")
        assert chores.wait(server, "end", "second") == pid
        assert not server.events("worker_died")


def test_a_job_that_leaks_has_its_worker_replaced(chores: Chores) -> None:
    with chores.server(limit_memory_soft="60M", limit_memory_hard="600M", after_fork=EAGER) as server:
        chores.add("leak", "leak 80")
        leaky = chores.wait(server, "end", "leak")
        server.wait_for("worker_retiring", pid=leaky, reason="its replacement is ready")
        await_fact(lambda: leaky not in {worker["pid"] for worker in cron(server)}, "an end of what leaks", server)
        chores.add("next")
        assert chores.wait(server, "end", "next") != leaky
        assert not server.events("worker_died")


def test_a_job_above_the_hard_limit_is_killed(chores: Chores) -> None:
    with chores.server(limit_memory_soft="60M", limit_memory_hard="100M", after_fork=EAGER) as server:
        chores.add("leak", "last swell 150")
        found = incident(server)
        assert (found["cause"], found["job"]["name"]) == ("limit_memory_hard", "leak")


def test_a_worker_is_replaced_after_as_many_jobs_as_it_may_do(chores: Chores) -> None:
    with chores.server(limit_request=3, limit_request_jitter=0) as server:
        for number in range(10):
            chores.add(f"job{number}")
        chores.wait(server, "end", "job9")
        server.wait_for("worker_retiring", worker="cron.1", reason="its replacement is ready")
        assert all(len(chores.saw("end", f"job{number}")) == 1 for number in range(10))
        assert not server.events("worker_died")


def test_whatever_a_job_raises_ends_with_it(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("a", "fail because")
        chores.add("b", "exit 3")
        chores.add("c")
        pid = chores.wait(server, "end", "c")
        assert (chores.saw("fail", "a"), chores.saw("fail", "b")) == ([pid], [pid])
        await_fact(lambda: any("ValueError: because" in line for line in server.log.output), "a traceback in the log", server)
        assert not server.events("worker_died")


def test_an_outage_ends_no_worker_and_is_told_once(chores: Chores) -> None:
    (chores.place / "outage").touch()
    with chores.server() as server, Load(server.url, ["/"], threads=2) as load:
        said = server.wait_for("jobs_unreachable")
        assert said["reason"] == "the chores are locked away"
        (worker,) = cron(server)
        assert (worker["state"], worker["pid"]) == ("offline", said["pid"])
        chores.add("mail")
        load.wait(200)
        (chores.place / "outage").unlink()
        assert chores.wait(server, "end", "mail") == said["pid"]
        server.wait_for("jobs_reachable", pid=said["pid"])
        await_fact(lambda: cron(server)[0]["state"] == "idle", "the end of the job", server)
        assert len(server.events("jobs_unreachable")) == 1
        assert not server.events("worker_died")
        assert not load.stop().failed


def test_two_nodes_share_their_jobs_and_one_of_them_serves_no_requests(chores: Chores) -> None:
    with (
        chores.server(workers=2, max_cron_threads=0, http_enable=True) as front,
        chores.server(app=None, workers=2, max_cron_threads=4, http_enable=False, proxy_mode=True) as back,
    ):
        assert cron(front) == []
        status = back.status()
        assert (status["addresses"], status["dispatcher"]["pid"], status["wanted"]) == ([], None, 0)
        assert status["cron"] == {"wanted": 4, "ready": 4}
        for number in range(8):
            chores.add(f"job{number}", "sleep 0.2")
        for number in range(8):
            chores.wait(back, "end", f"job{number}")
        pids = {int(pid) for _, _, pid, _ in chores.lines()}
        assert len(pids) > 1
        assert pids <= set(back.tree())
        with urllib.request.urlopen(front.url, timeout=5) as answer:
            assert answer.status == 200
        assert back.reload()["generation"] == 2
        assert back.stop() == 0


def test_the_loss_of_the_dispatcher_is_no_business_of_jobs(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "wait go")
        pid = chores.wait(server, "begin", "long")
        os.kill(server.status()["dispatcher"]["pid"], signal.SIGKILL)
        server.wait_for("dispatcher_died")
        await_fact(lambda: server.status()["ready"] == 2, "workers again", server)
        assert [(worker["pid"], worker["state"]) for worker in cron(server)] == [(pid, "busy")]
        (chores.place / "go").touch()
        assert chores.wait(server, "end", "long") == pid


def test_their_number_can_be_changed(chores: Chores) -> None:
    with chores.server() as server:
        assert server.ask({"command": "scale", "pool": "cron", "workers": 3})["ok"]
        await_fact(lambda: len(cron(server)) == 3, "three workers", server)
        assert server.ask({"command": "scale", "pool": "cron", "workers": 0})["ok"]
        await_fact(lambda: cron(server) == [], "nobody", server)
        assert server.status()["ready"] == 2
        refused = server.ask({"command": "scale", "pool": "crows", "workers": 1})
        assert refused["error"] == "there is no pool 'crows': use one of http, cron, websocket"


def test_after_a_rotation_they_write_to_the_new_file(chores: Chores) -> None:
    log = chores.place / "server.log"
    server = chores.server(logfile=log).launch()
    await_fact(lambda: log.exists() and "server_ready" in log.read_text(), "a start", server)
    log.rename(chores.place / "old.log")
    server.signal(signal.SIGUSR1)
    await_fact(log.exists, "a new file", server)
    server.status()  # by the time of its answer the master has passed the file on
    chores.add("first", "fail loudly")
    chores.wait(server, "fail", "first")  # its worker may have looked for news before this job, and before the file
    chores.add("second", "fail clearly")
    await_fact(lambda: "ValueError: clearly" in log.read_text(), "a traceback there", server)
    server.close()


def test_threads_serve_requests_and_a_process_runs_jobs(chores: Chores) -> None:
    with chores.server(workers=0, threads=3, limit_time_real_cron="500ms") as server:
        assert sorted({worker["name"] for worker in server.status()["workers"]}) == ["cron.1", "http.1", "http.2", "http.3"]
        chores.add("stuck", "last sleep 60")
        assert incident(server)["job"]["name"] == "stuck"
        assert server.status()["ready"] == 3


def test_a_source_that_is_misspelt_is_refused_with_the_code(chores: Chores) -> None:
    server = chores.server(job_source="chores:Shores").launch()
    assert server.exit_status() == 3
    assert "job_source = chores:Shores: 'chores' has no attribute 'Shores'" in server.wait_for("template_failed")["reason"]
    server.close()


def test_workers_that_cannot_get_ready_hold_up_no_request(chores: Chores) -> None:
    server = chores.server(job_source="chores:note").launch()
    server.wait_for("crash_loop")
    with Load(server.url, ["/"], threads=2) as load:
        load.wait(50)
        assert not load.stop().failed
    await_fact(lambda: failures(server) >= 3, "a wait for the next start", server)
    mark = server.mark()
    server.kill("http.1")
    assert server.wait_for("worker_ready", after=mark), "in whichever place, none for jobs is ever ready"
    server.close()


def test_their_stacks_are_shown_with_the_others(chores: Chores) -> None:
    with chores.server() as server:
        chores.add("long", "wait go")
        chores.wait(server, "begin", "long")
        stacks = {worker["worker"]: worker["stacks"] for worker in server.ask({"command": "stacks"})["workers"]}
        assert sorted(stacks) == ["cron.1", "http.1", "http.2"]
        assert "in do_wait" in stacks["cron.1"]
        (chores.place / "go").touch()
        chores.wait(server, "end", "long")
