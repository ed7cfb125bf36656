"""A worker can be killed at any instant, and no other request notices."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import await_fact
from punctuality import delayed, waited_here, waits

from prefork.testing import BrokenAnswer, Load, Request, Server
from prefork.testing.client import Connection

Probe = Callable[..., Server]
pytestmark = pytest.mark.story


def await_lines(server: Server, file: Path, count: int) -> list[str]:
    """The lines that requests have written to their file, once there are so many."""
    await_fact(lambda: file.exists() and len(file.read_text().splitlines()) >= count, f"{count} requests that have begun", server)
    return file.read_text().splitlines()


def read_out(client: socket.socket) -> tuple[bytes, str]:
    """All that comes, and how it ends."""
    got = b""
    try:
        while data := client.recv(65536):
            got += data
    except ConnectionResetError:
        return got, "reset"
    return got, "end"


def saturation(server: Server) -> dict[str, Any]:
    """What the dispatcher says of its workers, without asking any of them."""
    with Connection("127.0.0.1", server.port) as connection:
        said: dict[str, Any] = json.loads(connection.exchange(Request("/_prefork/saturation", expect=frozenset({200, 503}))).body)
        return said


def ask(server: Server, target: str, method: str = "GET", timeout: float = 20.0, **headers: str) -> tuple[int, Any]:
    """Status and decoded body of one request over a new connection."""
    with Connection("127.0.0.1", server.port, timeout) as connection:
        got = connection.exchange(Request(target, method, headers=headers))
        return got.status, json.loads(got.body) if "json" in got.headers["content-type"] else got.body.decode()


@pytest.mark.parametrize("new_connections", [False, True], ids=["kept-alive", "new connections"])
def test_four_kills_under_load_lose_no_request(probe: Probe, new_connections: bool) -> None:
    with probe(workers=2) as server, Load(server.url, threads=4, new_connections=new_connections) as load:
        for _ in range(4):
            load.wait(100)
            mark = server.mark()
            server.kill(min(server.workers()))
            server.wait_for("worker_died", after=mark)
            server.wait_for("worker_ready", after=mark)
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0, "a kept-alive connection was closed because a worker died"


def test_a_request_that_was_not_begun_goes_to_another_worker_even_a_post(probe: Probe) -> None:
    with probe(workers=2, log_level="debug") as server:
        pids = server.workers()
        # The worker that was idle last gets the next request: stop both but one, so that a stopped one is hit.
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        results: list[tuple[int, Any]] = []
        client = threading.Thread(target=lambda: results.append(ask(server, "/fast", "POST")))
        client.start()
        await_fact(lambda: saturation(server)["busy"] == 1, "a worker with the request", server)
        for name, pid in pids.items():
            with contextlib.suppress(ProcessLookupError):  # the master has been faster: it has not begun for a second
                os.kill(pid, signal.SIGKILL)
            server.wait_for("worker_died", worker=name)
        client.join(10)
        assert results
        status, said = results[0]
        assert (status, said["attempt"]) == (200, 1)
        assert said["pid"] not in pids.values()
        assert server.wait_for("request_retried")["attempt"] == 1


def test_a_get_that_was_begun_is_retried_once(probe: Probe, tmp_path: Path) -> None:
    with probe() as server:
        status, said = ask(server, f"/die?file={tmp_path}/begun")
        assert (status, said["attempt"]) == (200, 2)
        assert len(await_lines(server, tmp_path / "begun", 2)) == 2
        status, page = ask(server, f"/die?always=1&file={tmp_path}/twice")
        assert status == 502
        assert len(await_lines(server, tmp_path / "twice", 2)) == 2
        failed = server.wait_for("request_failed", status=502)
        assert failed["request_id"] in page


def test_a_post_that_was_begun_gets_502_and_is_never_repeated(probe: Probe, tmp_path: Path) -> None:
    with probe() as server:
        status, said = ask(server, f"/die?file={tmp_path}/begun", "POST", Accept="application/json")
        assert status == 502
        assert said["request_id"] == server.wait_for("request_failed", status=502)["request_id"]
        server.wait_for("worker_ready", worker=server.wait_for("worker_died")["worker"], after=0)
        assert ask(server, "/fast")[0] == 200
        assert len(await_lines(server, tmp_path / "begun", 1)) == 1


def test_a_half_sent_answer_ends_in_a_broken_connection_never_in_a_second_head(probe: Probe) -> None:
    with probe() as server, socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
        got, ending = read_out(client)
        assert ending == "reset"
        assert got.count(b"HTTP/1.1") == 1
        assert got.endswith(b"\r\n\r\n0123456789")
        assert server.wait_for("request_failed")["status"] == 200


@pytest.mark.parametrize("target", ["/behind", "/behind?announced=1"], ids=["in chunks", "of a length"])
def test_a_death_behind_the_last_byte_of_an_answer_closes_no_connection(probe: Probe, target: str) -> None:
    """The connection was cut where the last byte had not come with the first one, and with it whatever was asked next."""
    with probe(workers=2) as server, Connection("127.0.0.1", server.port, 20) as connection:
        for _ in range(3):
            assert connection.exchange(Request("/fast")).status == 200
        assert connection.exchange(Request(target)).body == b"0123456789" * 2
        server.wait_for("worker_died")
        assert connection.exchange(Request("/fast")).status == 200
        assert not server.events("request_failed")


def test_an_answer_that_fails_in_its_middle_never_looks_whole(probe: Probe) -> None:
    """Also where the end of the connection is the end of the body."""
    with probe() as server, socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"GET /torn HTTP/1.0\r\n\r\n")
        got, ending = read_out(client)
        assert got.endswith(b"\r\n\r\n0123456789")
        assert ending == "reset"


def test_a_stopped_worker_holds_nobody_for_long(probe: Probe) -> None:
    with probe(workers=2) as server:
        stopped, before, own = server.workers()["http.1"], waits(server), waited_here()
        os.kill(stopped, signal.SIGSTOP)
        with Load(server.url, threads=4) as load:
            load.wait(200)
            server.wait_for("worker_stuck", worker="http.1")
            load.wait(200)
            delay = delayed(server, before) + waited_here() - own
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        # One second until it counts as stuck, a tick to notice, and the machine's own delays.
        assert 0.9 < outcome.slowest < 3 + delay
        held = [latency for latency in outcome.latencies if latency > 0.9 + delay]
        assert len(held) <= 1, f"only the request it was given may wait for it: {held}"
        server.wait_for("request_retried")
        assert len(server.events("request_retried")) == 1


def test_a_worker_stopped_in_the_middle_of_its_request_holds_only_that_one(probe: Probe, tmp_path: Path) -> None:
    with probe(workers=2) as server:
        client = threading.Thread(target=lambda: ask(server, f"/marked?seconds=1&file={tmp_path}/begun"))
        client.start()
        pid = int(await_lines(server, tmp_path / "begun", 1)[0])
        os.kill(pid, signal.SIGSTOP)
        with Load(server.url, threads=2) as load:
            load.wait(300)
            outcome = load.stop()
        os.kill(pid, signal.SIGCONT)
        client.join(10)
        assert not outcome.failed, outcome.summary()
        assert not server.events("worker_stuck")


def test_a_child_that_holds_the_socket_keeps_no_client_waiting(probe: Probe) -> None:
    with probe(workers=1) as server:
        with Connection("127.0.0.1", server.port, 5) as connection:
            said = json.loads(connection.exchange(Request("/fork?seconds=60"), close=True).body)
            assert connection.exchange(Request("/fast")).status == 200  # the first one was ended although the child holds it
        os.kill(said["pid"], signal.SIGKILL)
        server.wait_for("worker_died")
        assert ask(server, "/fast")[0] == 200
        # The child is of the worker's process group: it is gone with it.
        await_fact(lambda: said["child"] not in server.tree(), "an end of the child", server)


def test_a_worker_that_dies_beside_its_own_fork_is_known_to_be_dead(probe: Probe) -> None:
    with probe(workers=1) as server:
        # The child left the group, so it survives and holds the pair open: only the pidfd tells the truth.
        status, _ = ask(server, "/fork?seconds=3&setsid=1&die=1", "POST")
        assert status == 502
        assert ask(server, "/fast")[0] == 200


def test_nothing_outlives_the_master(probe: Probe) -> None:
    with probe(workers=2) as server:
        os.kill(server.pid, signal.SIGKILL)
        assert server.exit_status() == -signal.SIGKILL
        server.close()  # fails when a process is left after two seconds


def test_an_application_that_writes_nonsense_to_every_socket_ends_itself_and_nobody_else(probe: Probe) -> None:
    # With loans it has other clients' sockets, too: what that costs is in docs/decisions/0003.
    with probe(workers=2, lend_connections=False) as server, Load(server.url, threads=2) as load:
        load.wait(50)
        with Connection("127.0.0.1", server.port) as connection, contextlib.suppress(BrokenAnswer):
            connection.exchange(Request("/babble"))  # it has written to its client, too
        server.wait_for("worker_died")
        server.wait_for("fault_contained")
        load.wait(50)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert server.status()["state"] == "running"
