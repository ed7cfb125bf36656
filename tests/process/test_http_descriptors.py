"""What many connections leave behind, and what happens when there can be no more."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefork.testing import Server

from .conftest import APPS, Echo
from .wire import Wire, request, until

FAULTS = {"fault_contained", "worker_died", "accept_paused", "template_failed", "boot_failed"}
LIMIT, RESERVE, OWN = 200, 64, 20  # descriptors: all, kept for other uses than connections, and about so many of the dispatcher


def descriptors(server: Server) -> int:
    """How many the dispatcher has open, without this one, when it has no other connection."""
    with Wire(server) as wire:
        until(lambda: connected(server) == 1, "all others to be closed")
        assert wire.get().status == 200, "the turn is over that lets the descriptor of the last one go"
        return open_descriptors(server) - 1


def open_descriptors(server: Server) -> int:
    """How many the dispatcher has open now."""
    return len(os.listdir(f"/proc/{server.status()['dispatcher']['pid']}/fd"))


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def allowed(descriptors: int) -> list[str]:
    """The command of a server that may have so many."""
    return ["sh", "-c", f'ulimit -n {descriptors}; exec {sys.executable} -m prefork "$@"', "sh"]


def connected(server: Server) -> int:
    """How many connections the dispatcher has."""
    return int(server.status()["dispatcher"]["connections"])


def test_a_thousand_idle_connections_leave_nothing_behind(echo: Echo) -> None:
    with echo(workers=1, access_log=False) as server:
        before = descriptors(server)
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(server)) for _ in range(1000)]
            until(lambda: connected(server) == 1000, "all to be accepted")
            until(lambda: open_descriptors(server) == before + 1000, "a descriptor for each")
            for wire in wires[::50]:
                assert wire.get().status == 200
        until(lambda: connected(server) == 0, "all to be closed")
        assert descriptors(server) == before


def test_neither_do_requests_of_every_kind(echo: Echo) -> None:
    with echo(workers=1, access_log=False) as server:
        before = descriptors(server)
        for _ in range(20):
            with Wire(server) as wire:  # an upload that is given up
                wire.send(request("POST", "/echo", b"x" * 300_000)[:-1])
            with Wire(server) as wire:  # one that is refused after it has been begun
                wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + b"x" * 0x20000 + b"!!\r\n")
                assert wire.answer().status == 400
            with Wire(server, window=4096) as wire:  # an answer that is not read
                wire.send(request("GET", "/plain/big?size=8000000"))
                wire.socket.recv(1)
            with Wire(server) as wire:
                assert wire.send(request("POST", "/echo", b"x" * 300_000)).answer().status == 200
                assert len(wire.get("/big?size=8000000&part=1500000").body) == 8_000_000
                assert wire.send(request("POST", "/die", b"x" * 300_000)).answer().status == 502
        until(lambda: connected(server) == 0, "all to be closed")
        until(lambda: server.status()["ready"] == 1, "the last worker to be replaced")
        assert descriptors(server) == before


def test_without_a_free_descriptor_new_connections_wait_and_those_that_are_there_are_served() -> None:
    server = Server("echo:app", app_dir=APPS, workers=1, access_log=False)
    server.command = allowed(LIMIT)
    with server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(LIMIT)]
        server.wait_for("accept_paused")
        assert LIMIT - RESERVE - OWN <= connected(server) <= LIMIT - RESERVE
        pid = server.status()["dispatcher"]["pid"]
        used, rounds = processor_time(pid), 0
        # Room is left for what those who are connected need: bodies, large answers, and a worker in place of a dead one.
        while rounds < 20:
            rounds += 1
            assert wires[0].send(request("POST", "/echo", b"x" * 300_000)).answer().status == 200
            assert len(wires[1].get("/big?size=8000000&part=1500000").body) == 8_000_000
        server.kill("http.1")
        server.wait_for("worker_died")
        assert wires[2].get().status == 200
        until(lambda: server.status()["uptime"] > 3, "some time to pass")
        assert processor_time(pid) - used < 1.0, "the dispatcher spins"
        assert len(server.events("accept_paused")) == 1
        for wire in wires[:100]:
            wire.socket.close()
        until(lambda: connected(server) == LIMIT - 100, "those that waited to be accepted")
        assert wires[-1].get().status == 200
        assert not server.events("fault_contained")


@pytest.mark.parametrize(
    ("app", "options"),
    [
        ("echo:app", {"workers": 1}),
        ("echo:app", {"workers": 6, "websocket_workers": 1}),
        ("echo:app", {"workers": 0, "threads": 12}),
        ("looped:app", {"workers": 2, "interface": "asgi", "concurrency": 30}),
    ],
)
def test_who_may_have_too_few_is_told_how_many_a_server_needs_and_starts_with_those(app: str, options: dict[str, object]) -> None:
    server = Server(app, app_dir=APPS, access_log=False, **options)
    for few in (10, 16, 20, 24):
        done = subprocess.run(
            [*allowed(few), "serve", "-c", server.configuration], capture_output=True, text=True, timeout=30, check=False
        )
        *warnings, said = done.stderr.splitlines()
        assert all(each.startswith("warning: ") for each in warnings)
        found = re.fullmatch(
            rf"prefork: cannot start: it may have {few} files open and needs (\d+), and more for many clients; "
            "raise LimitNOFILE or ulimit -Hn",
            said,
        )
        assert (done.returncode, done.stdout, bool(found)) == (1, "", True), said
    assert found
    server.command = allowed(int(found[1]))
    with server, Wire(server) as wire:
        assert wire.get().status == 200
        mark = server.mark()
        server.signal(signal.SIGHUP)
        server.wait_for("reload_done", after=mark)
        assert wire.get().status == 200
        assert {event["event"] for event in server.events()}.isdisjoint(FAULTS)


def test_who_turns_out_to_need_more_is_told_so_too() -> None:
    """How many requests a worker has at a time shows where the interface of its application does: when that is imported."""
    server = Server("looped:app", app_dir=APPS, workers=2, concurrency=100, access_log=False)
    server.command = allowed(LIMIT)
    server.launch()
    try:
        assert server.exit_status() == 3
        reason = server.events("template_failed")[0]["reason"]
        found = re.match(rf"too few files for the server: it may have {LIMIT} files open and needs (\d+), ", reason)
        assert found, reason
    finally:
        server.close()
    server = Server("looped:app", app_dir=APPS, workers=2, concurrency=100, access_log=False)
    server.command = allowed(int(found[1]))
    with server, Wire(server) as wire:
        assert wire.get("/seen").status == 200


def test_a_loop_has_descriptors_for_all_its_pairs_however_many_clients_there_are() -> None:
    server = Server("looped:app", app_dir=APPS, workers=1, concurrency=100, access_log=False)
    server.command = allowed(2 * LIMIT)
    with server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(300)]
        server.wait_for("accept_paused")
        server.signal(signal.SIGHUP)
        server.wait_for("reload_done")
        assert wires[0].get("/seen").status == 200
        server.kill("http.2")
        server.wait_for("worker_died")
        assert wires[1].get("/seen").status == 200
        assert not server.events("fault_contained")
