"""What a hostile client, a dying worker and an exhausted system can do to the dispatcher: nothing that outlasts them."""

import contextlib
import json
import os
import random
import resource
import signal
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import HEAD, Gate, Wire, request, until

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection
SEEDS = [
    HEAD,
    request("POST", "/echo", b"hello"),
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    request("POST", "/echo", b"x" * 70_000),
    request("GET", "/_prefork/saturation"),
    request("GET", "/plain/big?size=500000"),
    request("GET", "/big?size=500000&part=70000", version="1.0"),
]


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=2, access_log=False, header_timeout=1, body_timeout=1, keepalive_timeout=1) as server:
        yield server


def dispatcher(server: Server) -> int:
    """Its pid."""
    return int(server.status()["dispatcher"]["pid"])


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory that a process has in use."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def mutated(chance: random.Random) -> bytes:
    """Some requests with a few bytes changed, doubled or left out."""
    sent = bytearray(b"".join(chance.choices(SEEDS, k=chance.randrange(1, 5))))
    for _ in range(chance.randrange(4)):
        place = chance.randrange(min(len(sent), 400))
        sent[place : place + chance.randrange(3)] = chance.choice(
            [b"", b"\r\n", b"\0", b":", b" ", bytes([chance.randrange(256)]), b"9"]
        )
    return bytes(sent)


def harass(server: Server, chance: random.Random) -> None:
    """One client: sends what is nearly HTTP, in pieces, reads some or nothing of the answer, and leaves in one way or another."""
    with Wire(server, window=chance.choice([0, 4096])) as wire, contextlib.suppress(ConnectionError):
        sent = mutated(chance)[: chance.choice([None, None, 20, 200])]
        cut = chance.randrange(len(sent) + 1)
        wire.send(sent[:cut], sent[cut:])
        way = chance.choice(["half", "reset", "reset", "leave", "leave", "leave", "leave", "leave", "read"])
        if way == "half":
            wire.socket.shutdown(socket.SHUT_WR)
        elif way == "reset":
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif way == "read":
            wire.socket.recv(chance.randrange(1, 100_000))


@pytest.mark.parametrize("seed", range(2))
def test_nearly_http_and_sudden_ends_leave_nothing_behind(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    pid = dispatcher(server)
    with Wire(server) as wire:
        assert wire.get().status == 200
    until(lambda: server.status()["dispatcher"]["connections"] == 0, "the connection to be closed")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(200):
        harass(server, chance)
    until(lambda: server.status()["dispatcher"]["connections"] == 0, "all connections to be closed")
    assert dispatcher(server) == pid
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before, "everything to be closed")
    until(lambda: {worker["state"] for worker in server.status()["workers"]} == {"idle"}, "both workers to be idle")
    assert not server.events("worker_died")
    assert not server.events("fault_contained")
    used, now = processor_time(pid), server.status()["uptime"]
    until(lambda: server.status()["uptime"] > now + 1, "a second to pass")
    assert processor_time(pid) - used < 0.3, "the dispatcher spins"


def test_requests_behind_one_that_kills_its_workers_are_answered_in_order(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(
            request("GET", "/die") + request("GET", "/echo?second") + request("POST", "/die") + request("GET", "/echo?fourth")
        )
        assert wire.answer().status == 502
        assert json.loads(wire.answer().body)["QUERY_STRING"] == "second"
        assert wire.answer().status == 502
        assert json.loads(wire.answer().body)["QUERY_STRING"] == "fourth"


def test_clients_that_do_not_wait_for_their_turn_are_forgotten(echo: Echo, gates: Callable[[], Gate]) -> None:
    gate = gates()
    with echo(workers=1, access_log=False) as server, Wire(server) as first, Wire(server) as patient:
        gate.hold(first)
        patient.send(HEAD)
        until(lambda: server.status()["queue"]["length"] == 1, "the patient client to wait")
        pid = dispatcher(server)
        before = resident(pid)
        for _ in range(30):
            for _ in range(50):  # of more at once it would be their number that takes memory
                with Wire(server) as wire:
                    wire.send(request("POST", "/echo", b"x" * 30_000, X_Long="x" * 30_000))
            until(lambda: server.status()["dispatcher"]["connections"] == 2, "the others to be gone")
        assert resident(pid) - before < 30 << 20, "they have left their requests behind"
        gate.open()
        assert (first.answer().status, patient.answer().status) == (200, 200)


def test_a_body_of_tiny_chunks_costs_no_more_than_its_bytes_are_worth(echo: Echo) -> None:
    with echo(workers=1) as server, Wire(server) as wire:
        used = processor_time(dispatcher(server))
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
        assert json.loads(wire.answer().body)["length"] == 100_000
        assert processor_time(dispatcher(server)) - used < 1.0


def descriptors(pid: int) -> set[int]:
    """Those that a process has open."""
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


@contextlib.contextmanager
def without_descriptors(pid: int) -> Iterator[None]:
    """Let a process have no more descriptors than it has."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = descriptors(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(taken) + 1)) - taken), hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_an_answer_is_cut_rather_than_wrong(echo: Echo) -> None:
    with echo(workers=1, access_log=False) as server:
        pid, worker = dispatcher(server), server.workers()["http.1"]
        with Wire(server) as kept, Wire(server, window=4096) as large, Wire(server) as uploading:
            for wire in (kept, large, uploading):
                assert wire.get().status == 200
            open_before = descriptors(pid)
            with without_descriptors(pid):
                large.send(request("GET", "/big?size=9000000&part=3000000"))
                with pytest.raises((AssertionError, ConnectionError)):
                    large.answer()
            # The client sees the cut before the dispatcher has closed its side: that number must not be free below the limit.
            until(lambda: len(descriptors(pid)) == len(open_before) - 1, "the connection that was cut is closed")
            with without_descriptors(pid):
                assert uploading.send(request("POST", "/echo", b"x" * 3_000_000)).answer().status == 507
                assert kept.get().status == 200, "small requests are served all the same"
            failed = server.wait_for("request_failed")
            assert "descriptor" in failed["reason"]
            assert kept.get("/big?size=9000000&part=3000000").status == 200
        assert server.workers()["http.1"] == worker, "it was not the worker's fault"


def test_a_dispatcher_that_is_stopped_for_a_while_goes_on_where_it_was(server: Server) -> None:
    pid = dispatcher(server)
    with Wire(server) as wire:
        assert wire.get().status == 200
        os.kill(pid, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(server)).send(HEAD * 3) for _ in range(100)]
            os.kill(pid, signal.SIGCONT)
            for wire in wires:
                assert [wire.answer().status for _ in range(3)] == [200] * 3
