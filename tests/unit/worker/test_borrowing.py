"""Which of the requests on a loan a worker answers itself, and what goes back."""

from __future__ import annotations

import errno
import gc
import io
import itertools
import os
import resource
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests.native import native
from tests.unit.http.forwarded import forwarded

from prefork.dispatcher.loans import Loans
from prefork.http.repertoire import Recurring
from prefork.kernel import since_received, unread
from prefork.lending import (
    BACK,
    HOME,
    LOANED,
    ROOM,
    Terms,
    pack_recall,
    pack_terms,
    unpack_return,
)
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pair, receive
from prefork.scoreboard import BEGUN_AT, CAME_AT, DONE, HALTED, LOAN, NEXT_AT, RECEIVED, TAKEN, Scoreboard
from prefork.worker import borrowing, client, http
from prefork.worker.borrowing import FEW, GRAIN, Borrower
from prefork.worker.client import SELECTABLE
from prefork.worker.hosts.wsgi import environ
from prefork.worker.known import KNOWN, LONGEST_KNOWN
from prefork.worker.output import Output
from prefork.worker.shortcut import Shortcut

from .conftest import hosted, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.messages import Request

SLOT = Scoreboard.create().slot(0)
LARGEST = 50_000
TERMS = Terms("abc.0.17", ("/_prefork/*", "/files/*"), 4096, ("127.0.0.1",), LARGEST)
WHOLE = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n"
PROXY, OTHER = "127.0.0.1", "198.51.100.1"
PROXIES = st.sampled_from([None, (), (PROXY,), (PROXY, "10.0.0.0/8"), (OTHER,)])
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
BODY = bytes(range(250)) * 160
UPLOAD = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(BODY)
GO_BACK = {
    "half a head": WHOLE[:20],
    "half a body": POST[:-1],
    "two at once": WHOLE * 2,
    "chunks": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no request": b"hello\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a page of the server": b"GET /_prefork/live HTTP/1.1\r\nHost: h\r\n\r\n",
    "a static file in other words": b"GET //f%69les/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "a large head": b"GET / HTTP/1.1\r\nHost: h\r\nA: %b\r\n\r\n" % (b"x" * 5000),
    "a large body of which less than the memory holds has come": UPLOAD + BODY[: ROOM // 2],
    "one that does not come at once": UPLOAD + BODY[:-1],
    "one that is too large": UPLOAD.replace(b"40000", b"50001") + bytes(50_001),
    "one that its client waits to be asked for": UPLOAD[:-2] + b"Expect: 100-continue\r\n\r\n" + BODY,
    "one that something follows": UPLOAD.replace(b"40000", b"16300") + BODY,
    "more than the memory holds": b"GET / HTTP/1.1\r\nHost: h\r\nA: %b" % (b"x" * ROOM),
}


class Desk:
    """A borrower with one connection on loan, and the dispatcher's end of everything. `take` is its own, or that of a shortcut."""

    def __init__(self, shortcut: Any = None) -> None:
        SLOT.clear()
        self.wire, self.pair = pair()
        self.loans = Loans(SLOT, self.wire)
        self.loans.offer(TERMS)
        message, descriptors = receive(self.pair, inbox())
        assert message == pack_terms(TERMS)
        self.borrower = Borrower(self.pair, SLOT, *descriptors)
        self.borrower.agree(message)
        host = hosted(lambda _environ, _start_response: [])
        desk = http.Desk(self.pair, SLOT, host, http.Means(-1, 0, Output(), None, Borrower, shortcut), 100, itertools.count(1))
        self.take = http.reader_of(self.borrower, desk).take
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.key = self.ours.fileno()
        given = request()._replace(loan=(self.key, ("127.0.0.1", 4711)))
        copy = self.ours.dup()
        assert self.borrower.keep(given, socket.SocketType(fileno=copy.detach()))
        connection: Any = SimpleNamespace(descriptor=self.key, socket=self.ours)
        self.loans.lend(connection)

    def heard(self) -> bytes:
        return receive(self.wire, inbox(), CLOEXEC_DONTWAIT)[0]

    def close(self) -> None:
        for each in (*(each.client for each in self.borrower.loans.values()), self.client, self.ours, self.wire, self.pair):
            each.close()
        self.borrower.epoll.close()
        self.loans.close()


def ask(desk: Desk, data: bytes) -> Request:
    """The request that is taken when a client sends this."""
    desk.client.sendall(data)
    taken = desk.take()
    assert taken
    return taken


@pytest.fixture(params=["the long way", "the shortcut", "the shortcut compiled"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    compiled = request.param == "the shortcut compiled"
    made = Desk(native("worker/shortcut").Shortcut if compiled else Shortcut if request.param == "the shortcut" else None)
    yield made
    made.close()


@pytest.fixture
def long() -> Iterator[Desk]:
    """One whose known heads are taken, and not answered."""
    made = Desk()
    yield made
    made.close()


@pytest.mark.parametrize("data", GO_BACK.values(), ids=GO_BACK)
def test_what_is_not_one_whole_request_for_any_worker_goes_back_as_it_came(desk: Desk, data: bytes) -> None:
    desk.client.sendall(data)
    await_all(desk, data[:ROOM])
    desk.wire.send(b"x")  # so that there is something else to hear afterwards
    assert desk.take() is None
    returned = unpack_return(desk.heard())
    assert returned == (BACK, desk.key, LOANED + 1, data[:ROOM])
    assert desk.borrower.loans == {}
    assert SLOT.progress().state == DONE
    assert desk.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


@pytest.fixture
def crowded() -> Iterator[None]:
    """A process that has so many descriptors that loans would take those which select(2) knows, and may have more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * SELECTABLE), hard))
    gc.collect()  # what goes later would leave its number to a loan
    with ExitStack() as stack:
        while stack.enter_context(socket.socket()).fileno() < FEW:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def number_of(desk: Desk) -> int:
    (lent,) = desk.borrower.loans.values()
    return lent.client.fileno()


@pytest.mark.usefixtures("crowded")
def test_many_loans_leave_the_application_the_descriptors_that_select_knows(desk: Desk) -> None:
    assert number_of(desk) >= SELECTABLE
    assert not os.get_inheritable(number_of(desk))
    ask(desk, POST)
    (lent,) = desk.borrower.loans.values()
    assert lent.client.send(b"x") == 1
    assert desk.client.recv(1) == b"x"


@pytest.mark.usefixtures("crowded")
def test_a_process_that_may_have_no_more_keeps_them_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SELECTABLE", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    with closing(Desk()) as desk:
        assert FEW <= number_of(desk) < SELECTABLE
        ask(desk, POST)


def test_few_loans_are_left_where_they_are(desk: Desk) -> None:
    assert number_of(desk) < FEW


def await_all(desk: Desk, data: bytes) -> None:
    """Wait until what a client sends has come."""
    while unread(desk.ours) < len(data):
        pass


def test_the_rest_of_a_body_that_has_come_is_left_in_its_socket(desk: Desk) -> None:
    for _ in range(3):
        desk.client.sendall(UPLOAD + BODY)
        await_all(desk, UPLOAD + BODY)
        taken = desk.take()
        assert taken
        assert taken.body == BODY[: ROOM - len(UPLOAD)]
        assert taken.length == len(BODY)
        assert (SLOT.progress().state, SLOT[TAKEN]) == (RECEIVED, ROOM), "whoever finds this worker dead finds all of it"
        assert desk.ours.recv(1 << 20, socket.MSG_DONTWAIT) == BODY[len(taken.body) :]


def test_the_rest_of_a_body_is_waited_for_as_long_as_it_comes_fast(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrowing, "FOLLOWS", 30_000)
    desk.client.sendall(UPLOAD + BODY[:-1])
    await_all(desk, UPLOAD + BODY[:-1])
    left = len(UPLOAD + BODY) - ROOM

    def send_the_last() -> None:
        while desk.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) != left:
            assert not select.select([desk.wire], [], [], 0)[0], "it goes back, and nothing is waited for"
        desk.client.sendall(BODY[-1:])

    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(send_the_last)
        taken = desk.take()
        sender.result()
    assert taken
    assert unread(desk.ours) == left
    assert desk.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_a_head_that_comes_again_is_understood_as_before_and_names_its_own_request(long: Desk) -> None:
    for data in (WHOLE, POST):
        first, *others = [ask(long, data) for _ in range(4)]
        for number, taken in enumerate(others, first.number + 1):
            assert taken.headers == [*first.headers[:-1], (b"x-request-id", taken.request_id.encode())]
            assert taken.request_id == f"abc.0.17-{number - LOANED}"
            same = {"number": first.number, "headers": first.headers, "request_id": first.request_id, "memo": None}
            assert taken._replace(**same) == first
        assert others[0].memo is others[2].memo
        assert others[0].memo is not None
    assert len(long.borrower.heads.trusted.kept) == 2


@pytest.mark.parametrize(
    "header", [b"X-Request-ID: a b", b"X-Real-IP: 192.0.2.7\r\nX-Real-IP: ", b"A: %b" % (b"x" * LONGEST_KNOWN)]
)
def test_a_head_that_cannot_be_told_from_another_one_is_read_each_time(desk: Desk, header: bytes) -> None:
    for _ in range(3):
        assert ask(desk, WHOLE[:-2] + header + b"\r\n\r\n").memo is None


@settings(max_examples=60)
@given(sent=st.lists(st.tuples(st.sampled_from([PROXY, OTHER]), forwarded()), min_size=2, max_size=40), proxies=PROXIES)
def test_what_is_known_says_what_reading_it_says(sent: list[tuple[str, bytes]], proxies: tuple[str, ...] | None) -> None:
    with closing(Desk()) as desk:
        borrower = desk.borrower
        borrower.agree(pack_terms(TERMS._replace(proxies=proxies)))
        for number, (peer, data) in enumerate(sent, LOANED + 1):
            known = borrower.loans[desk.key]._replace(peer=(peer, 1), heads=borrower.heads.of((peer, 1)))
            found = [borrower.understand(0, each, data, number) for each in (known, known._replace(heads=Recurring(0, 1)))]
            told, read = [each and each._replace(memo=None) for each in found]
            assert told == read
            environs = [environ(each, io.BytesIO()) for each in found if each]
            for each in environs:
                del each["wsgi.input"]
            assert environs[1:] == environs[:-1]


def test_the_time_that_an_answer_takes_is_no_wait(desk: Desk) -> None:
    """Of a worker that had nothing to do before, only the kernel knows how long its request has waited."""
    desk.borrower.answered[desk.key] = 0
    taken = ask(desk, WHOLE)
    SLOT[BEGUN_AT] = time.monotonic_ns()
    while since_received(desk.ours) < 25 * GRAIN:
        pass  # the application computes
    answer: Any = SimpleNamespace(keep=True, failed=False, code=200, sent=0, queries=0, sql=0, words=b"")
    desk.borrower.account(taken, answer, 0, worn=False)
    (receipt,) = desk.loans.collect()
    assert receipt.wait < receipt.service / 2


def test_no_more_heads_are_known_than_there_is_room_for(long: Desk) -> None:
    for number in range(2 * KNOWN):
        for _ in range(2):
            assert ask(long, WHOLE.replace(b"/a", b"/%d" % number)).target == b"/%d?b=c" % number
        assert 0 < len(long.borrower.heads.trusted.kept) <= KNOWN


def test_what_an_application_does_to_its_environ_is_gone_with_the_request(long: Desk) -> None:
    found = []
    for _ in range(3):
        made = environ(ask(long, WHOLE), io.BytesIO())
        found.append({key: value for key, value in made.items() if key not in {"wsgi.input", "HTTP_X_REQUEST_ID"}})
        made.clear()
    assert found[0] == found[1] == found[2]


def test_the_end_of_the_clients_side_goes_back(desk: Desk) -> None:
    desk.client.close()
    desk.ours.recv(1, socket.MSG_PEEK)
    desk.wire.send(b"x")
    assert desk.take() is None
    assert unpack_return(desk.heard()).data == b""


def test_a_whole_request_is_taken_and_noted_with_its_bytes_where_the_dispatcher_sees_them(desk: Desk) -> None:
    for number, data in enumerate((WHOLE, POST), 1):
        desk.client.sendall(data)
        taken = desk.take()
        assert taken
        assert (taken.number, taken.request_id) == (LOANED + number, f"abc.0.17-{number}")
        assert desk.loans.memory[: SLOT[TAKEN]] == data
        assert SLOT[LOAN] == desk.key
        assert SLOT.progress().state == RECEIVED
    assert (taken.method, taken.body, taken.length) == ("POST", b"abc", 3)


def test_a_proxys_word_about_its_client_counts_as_the_terms_say(desk: Desk) -> None:
    desk.client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n")
    taken = desk.take()
    assert taken
    assert (taken.client, taken.scheme) == (("192.0.2.7", 0), "https")


def test_who_has_nothing_on_loan_waits_for_nothing_here(desk: Desk) -> None:
    desk.borrower.recall(pack_recall([desk.key]))
    assert desk.take() is None


def test_nothing_is_read_while_that_is_forbidden(desk: Desk) -> None:
    before = ask(desk, POST)
    SLOT[HALTED] = 1
    desk.client.sendall(WHOLE)
    desk.ours.recv(1, socket.MSG_PEEK)
    desk.wire.send(pack_recall([desk.key]))
    assert desk.take() is None
    assert SLOT.progress().number == before.number
    assert SLOT[TAKEN] == 0, "else the dispatcher would take what was read before for what was read now"
    assert desk.ours.recv(100) == WHOLE
    desk.borrower.recall(receive(desk.pair, inbox())[0])
    assert desk.heard() == bytes((HOME,))
    assert desk.borrower.loans == {}


def test_what_was_handed_over_and_came_before_the_last_answer_on_a_loan_has_its_turn_first(desk: Desk) -> None:
    desk.client.sendall(WHOLE)
    desk.ours.recv(1, socket.MSG_PEEK)
    SLOT[CAME_AT] = desk.borrower.answered[desk.key] - 1
    assert desk.take(), "nothing waits but the loan"
    desk.client.sendall(WHOLE)
    desk.ours.recv(1, socket.MSG_PEEK)
    desk.wire.send(b"handed over")  # behind the loan, as the kernel tells of them
    assert desk.take() is None
    assert desk.pair.recv(100) == b"handed over"
    desk.borrower.given()
    assert desk.take()


def test_what_was_handed_over_and_may_be_younger_has_its_turn_as_it_comes(desk: Desk) -> None:
    desk.client.sendall(WHOLE)
    desk.ours.recv(1, socket.MSG_PEEK)
    SLOT[CAME_AT] = desk.borrower.answered[desk.key] + 1
    desk.wire.send(b"handed over")
    assert desk.take()
    assert desk.take() is None


def test_what_is_about_to_be_handed_over_is_waited_for_a_moment_where_it_is_older(desk: Desk) -> None:
    desk.client.sendall(WHOLE)
    desk.ours.recv(1, socket.MSG_PEEK)
    SLOT[NEXT_AT] = desk.borrower.answered[desk.key] - 1
    desk.borrower.given()
    desk.wire.send(b"handed over")
    assert desk.take() is None
    desk.pair.recv(100)
    desk.borrower.given()
    assert desk.take(), "it does not come"
    desk.wire.send(b"younger")
    assert ask(desk, WHOLE), "and was waited for once"


@pytest.mark.parametrize("lacking", ["accept_barriers", "watch_as"])
def test_where_the_kernel_lacks_something_requests_are_handed_over_whatever_is_offered(
    monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """The descriptors come with the first terms only, and are closed once."""

    def lacks(*_: object) -> None:
        raise OSError(errno.ENOSPC, lacking)

    monkeypatch.setattr(borrowing, lacking, lacks)
    wire, ours = pair()
    with wire, ours, closing(Loans(SLOT, wire)) as loans:
        desk = http.Desk(ours, SLOT, hosted(lambda *_: []), http.Means(-1, 0, Output(), None, Borrower), 100, itertools.count(1))
        for _ in range(2):
            loans.offer(TERMS)
            assert http.agreed(None, desk, *receive(ours, inbox())) is None
