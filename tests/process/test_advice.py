"""What a server records of its requests, who may read it, and what advice says of it."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from signal import SIGKILL

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection
from prefork.trace import UNSERVED, Call, calls

from .conftest import Echo
from .wire import until


def recorded(server: Server) -> list[Call]:
    return calls(b64decode(server.ask({"command": "trace"})["records"]))


def ask_once(server: Server) -> int:
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(Request("/echo")).status


def run(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prefork", *arguments, "-c", server.configuration]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_request_of_a_worker_is_recorded_and_replayed(echo: Echo) -> None:
    with echo(workers=2, lanes="slow:/slow/*:1", trace_requests=1000) as server:
        with Load(server.url, ["/echo", "/slow/echo"], threads=3) as load:
            load.wait(60)
            sent = load.stop().ok
        until(lambda: len(recorded(server)) == sent, "an entry for each request")
        found = recorded(server)
        assert {call.lane for call in found} == {0, 1}, "the declared lane and that of the rest"
        assert {call.workers for call in found} == {2}
        assert all(0 < call.service < UNSERVED and call.cpu <= call.service + 20_000 for call in found)
        answer = server.ask({"command": "trace"})
        assert (answer["kept"], answer["workers"], answer["wait_target"]) == (1000, 2, 0.05)
        assert [lane["name"] for lane in answer["lanes"]] == ["slow", "default"]
        assert {bound["what"] for bound in answer["bounds"]} == {"workers_max", "plan", "memory", "database"}
        simulated = json.loads(run(server, "simulate", "--workers", "1", "--workers", "4", "--arrivals", "x2", "--json").stdout)
        assert simulated["recorded"]["requests"] == sent
        assert [row["workers"] for row in simulated["rows"]] == [1, 4]
        assert simulated["rows"][0]["wait"]["p95"] >= simulated["rows"][1]["wait"]["p95"]


def test_advice_is_refused_with_what_is_missing(echo: Echo) -> None:
    with echo(workers=2) as server:
        assert ask_once(server) == 200
        refused = run(server, "advise")
        assert refused.returncode == 1
        assert "of 1,000 requests and 0.0 of 10 minutes are recorded; ask again after" in refused.stderr
        told = json.loads(run(server, "advise", "--json").stdout)
        assert told["recorded"]["requests"] <= 1
        assert told["needed"] == {"requests": 1000, "seconds": 600.0}


def test_threads_are_not_advised_about(echo: Echo) -> None:
    with echo(workers=0) as server:
        assert ask_once(server) == 200
        refused = run(server, "advise")
        assert (refused.returncode, refused.stderr) == (
            1,
            "prefork: no advice: threaded mode (workers = 0) is for development; predictions are about worker processes\n",
        )


def test_event_loops_are_not_advised_about(echo: Echo) -> None:
    with echo(app="looped:app") as server:
        for command in (["advise"], ["simulate", "--workers", "2"]):
            refused = run(server, *command)
            assert refused.returncode == 1
            assert "its workers serve many requests at a time" in refused.stderr


def test_other_lanes_begin_another_recording_and_the_death_of_the_dispatcher_does_not(echo: Echo) -> None:
    with echo(workers=2) as server:
        assert ask_once(server) == 200
        until(lambda: len(recorded(server)) == 1, "the request")
        mark = server.mark()
        os.kill(server.status()["dispatcher"]["pid"], SIGKILL)
        server.wait_for("worker_ready", after=mark)
        assert ask_once(server) == 200
        until(lambda: len(recorded(server)) == 2, "both requests")
        server.configure(lanes="slow:/slow/*:1")
        server.reload()
        until(lambda: recorded(server) == [], "a new beginning")
