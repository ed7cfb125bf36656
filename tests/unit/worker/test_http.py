"""A worker's loop over its pair: one request after the other, whatever each of them does."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from prefork.messages import INLINE, Ending, Inflow, Request, inbox, pack_request, receive, send, unpack_ending
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, REQUESTS
from prefork.worker.http import Desk, serve

from .conftest import hosted, request

if TYPE_CHECKING:
    from .conftest import Bench


def echo(environ: dict[str, Any], start_response: Any) -> Any:
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/fail":
        raise LookupError
    start_response("201 Created", [])
    return [body]


def give(bench: Bench, asked: Request, *files: int) -> None:
    send(bench.dispatcher, pack_request(asked), [bench.client.fileno(), *files])


def serve_all(bench: Bench, limit: int = 1000) -> list[Ending]:
    """Let the worker work off what it has been given; what it said about it."""
    bench.dispatcher.shutdown(socket.SHUT_WR)
    serve(Desk(bench.worker, bench.slot, hosted(echo), bench.means, limit, itertools.count(1)))
    bench.worker.shutdown(socket.SHUT_WR)
    endings = []
    while message := receive(bench.dispatcher, inbox())[0]:
        endings.append(unpack_ending(message))
    return endings


def test_requests_one_after_the_other(bench: Bench) -> None:
    for number in (1, 2, 3):
        give(bench, request("POST", body=b"body %d" % number)._replace(number=number))
    endings = serve_all(bench)
    received = bench.received()
    assert [(ending.number, ending.status, ending.keep, ending.worn) for ending in endings] == [
        (n, 201, True, False) for n in (1, 2, 3)
    ]
    assert sum(ending.sent for ending in endings) == len(received)
    assert all(ending.cpu > 0 for ending in endings)
    assert [received.count(b"body %d" % number) for number in (1, 2, 3)] == [1, 1, 1]
    assert (bench.slot[REQUESTS], bench.slot.progress().state, bench.slot.progress().number) == (3, DONE, 3)
    assert bench.slot[BEGUN_AT] > 0


def test_a_large_body_comes_as_a_file(bench: Bench) -> None:
    body = os.urandom(INLINE + 1)
    descriptor = os.memfd_create("body")
    os.write(descriptor, body)
    os.lseek(descriptor, 0, os.SEEK_SET)
    give(bench, request("POST")._replace(body=None, length=len(body)), descriptor)
    os.close(descriptor)
    serve_all(bench)
    assert body in bench.received()


def in_part(bench: Bench, body: bytes, begun: int) -> None:
    """Give it a request of which so many bytes have been read before; the rest is said to be in the client's socket."""
    inflow = Inflow(len(body) - begun, 1 << 20, 20.0, expects=False)
    give(bench, request("POST", body=body[:begun])._replace(length=len(body), inflow=tuple(inflow)))


def test_the_rest_of_a_body_is_read_from_the_clients_socket(bench: Bench) -> None:
    body = os.urandom(100_000)
    in_part(bench, body, 1000)
    bench.theirs.sendall(body[1000:] + b"GET /next")
    (ending,) = serve_all(bench)
    assert (ending.status, ending.keep) == (201, True)
    assert body in bench.received()
    assert bench.client.recv(100) == b"GET /next"


def test_a_body_whose_rest_is_gone_never_reaches_the_application(bench: Bench) -> None:
    in_part(bench, bytes(100_000), 1000)
    bench.theirs.sendall(bytes(98_999))
    bench.theirs.shutdown(socket.SHUT_WR)
    (ending,) = serve_all(bench)
    assert ending.status == 400


def test_after_its_limit_a_worker_asks_for_a_replacement_and_goes_on(bench: Bench) -> None:
    for _ in range(3):
        give(bench, request())
    assert [ending.worn for ending in serve_all(bench, limit=2)] == [False, True, True]


def test_a_failure_ends_with_its_request(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    give(bench, request(target=b"/fail"))
    give(bench, request("POST", body=b"next"))
    assert [ending.status for ending in serve_all(bench)] == [500, 201]
    assert "LookupError" in capsys.readouterr().err


def test_what_a_worker_is_worth_when_the_dispatcher_is_gone(bench: Bench) -> None:
    """It finishes what it has, answers its client, and leaves."""
    give(bench, request("POST", body=b"last"))
    bench.dispatcher.close()
    serve(Desk(bench.worker, bench.slot, hosted(echo), bench.means, 1000, itertools.count(1)))
    assert b"last" in bench.received()


@pytest.mark.parametrize("keep", [False, True])
def test_the_last_answer_of_a_connection_ends_it_with_its_last_byte(bench: Bench, keep: bool) -> None:
    """Not when the application returns, and not when the dispatcher has had its turn."""
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "4")])
        yield b"on"
        bench.theirs.setblocking(False)
        assert bench.theirs.recv(1000).endswith(b"on")
        yield b"ce"
        seen.append(bench.theirs.recv(1000))
        with pytest.raises(BlockingIOError) if keep else contextlib.nullcontext():
            seen.append(bench.theirs.recv(1000))

    bench.run(application, request(keep=keep))
    assert seen == ([b"ce"] if keep else [b"ce", b""])


def test_begun_is_said_before_the_application_is_called(bench: Bench) -> None:
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append((bench.slot.progress().number, bench.slot.progress().state, bench.slot[BEGUN_AT] > 0))
        return echo(environ, start_response)

    give(bench, request())
    bench.dispatcher.shutdown(socket.SHUT_WR)
    serve(Desk(bench.worker, bench.slot, hosted(application), bench.means, 1000, itertools.count(1)))
    assert seen == [(9, BEGUN, True)]
