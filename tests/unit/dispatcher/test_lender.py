"""Which connections are lent, after which requests."""

from __future__ import annotations

import errno
import os
import resource
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher import loans as module
from prefork.dispatcher.fairness import LONG, MOMENT, MUCH
from prefork.dispatcher.loans import ENOUGH
from prefork.dispatcher.loop_loans import LoopLoans
from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.dispatcher.workers import BEGIN_WITHIN
from prefork.kernel import await_bytes, half_closed
from prefork.lending import (
    BACK,
    HOME,
    LOANED,
    NEWS,
    OWNED,
    RECALL,
    ROOM,
    TERMS,
    UNTOLD,
    number_for,
    pack_receipt,
    pack_return,
    unpack_recall,
)
from prefork.messages import CLOEXEC_DONTWAIT, inbox, pack_ending, pack_rest, receive
from prefork.scoreboard import ABANDONED, BEGUN, BEGUN_AT, DONE, LOAN, RECEIVED, TAKEN, TURNED

from .conftest import OPTIONS, Client, Desk, Hand
from .test_receipts import receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.dispatcher.loans import Loans
    from prefork.messages import Request

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LARGE = b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"  # which would be made again if it had all of its body
RIGHTS = socket.CMSG_SPACE(12)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Counter:
    """A worker that is lent connections, and its clients, whose first requests are answered."""

    def __init__(self, desk: Desk) -> None:
        desk.traffic.apply(OPTIONS._replace(lend_connections=True))
        desk.traffic.accounts.pace.rate = 1e-6  # per second: nothing waits longer than is fair, however long a test takes
        self.desk = desk
        self.hand = Hand(desk, 0)
        desk.hands.append(self.hand)

    def open(self) -> Loans:
        """The worker is ready."""
        self.desk.traffic.add(self.hand.worker)
        message, self.shared = receive(self.hand.wire, inbox(), CLOEXEC_DONTWAIT, RIGHTS)
        assert message.startswith(TERMS)
        assert self.hand.worker.loans
        return self.hand.worker.loans

    def open_loop(self) -> LoopLoans:
        """The same with an event loop, which has one place."""
        worker = self.hand.worker
        worker.slot[TURNED] = time.monotonic_ns() + 10**12  # however long this takes
        worker.loop = EventLoop(worker.number, 1, worker.pid, worker.slot, worker.pidfd, None)
        worker.loop.places.append(worker)
        loans = self.open()
        assert isinstance(loans, LoopLoans)
        return loans

    def welcome(self) -> Client:
        """A client whose first request is answered: from its second one on its connection may be lent."""
        client = self.desk.connect()
        assert self.ask(client).loan is None
        self.answer(client)
        return client

    def ask(self, client: Client) -> Request:
        client.send(GET)
        self.request = self.hand.begin()
        return self.request

    def answer(self, client: Client, *, first: bytes = b"") -> None:
        """The worker answers and keeps the socket; the client has sent something before the dispatcher hears that."""
        self.hand.send(ANSWER)
        assert client.receive(len(ANSWER)) == ANSWER
        if first:
            client.send(first)
        self.hand.end(self.request.number, len(ANSWER), kept=self.request.loan is not None)

    def close(self) -> None:
        for client in self.desk.clients:
            client.close()
        if self.hand.worker.loop:
            self.hand.worker.loop.close()
        for descriptor in self.shared:
            os.close(descriptor)


@pytest.fixture
def counter(desk: Desk) -> Iterator[Counter]:
    counter = Counter(desk)
    yield counter
    counter.close()


def test_a_connection_is_lent_from_its_second_request_on(counter: Counter) -> None:
    loans, client = counter.open(), counter.welcome()
    assert client.state is State.IDLE
    assert counter.ask(client).loan == (client.theirs.fileno(), client.connection.peer)
    counter.answer(client)
    assert client.state is State.LENT
    assert list(loans.lent) == [client.theirs.fileno()]


def test_so_is_that_of_a_client_that_has_asked_again_before_its_answer_was_told_of(counter: Counter) -> None:
    """Fast clients do so every time. If theirs came home, each would cost a recall, and no connection would stay on loan."""
    loans, client = counter.open(), counter.welcome()
    counter.ask(client)
    counter.answer(client, first=GET)
    assert client.state is State.LENT
    assert not loans.recalled
    assert loans.epoll.poll(5, 1) == [(client.theirs.fileno(), select.EPOLLIN)], "its worker hears of what has come"
    assert client.connection.loan
    client.connection.loan.come_home()
    client.connection.watch()
    counter.desk.loop.turn(5)
    assert counter.hand.request().target == b"/", "it is read once, by whoever has the connection"


def test_what_was_read_of_a_request_keeps_its_connection_at_home(counter: Counter) -> None:
    loans, client = counter.open(), counter.welcome()
    client.send(GET + GET)
    counter.request = counter.hand.begin()
    counter.answer(client)
    assert client.state is State.SERVED
    assert not loans.lent
    assert list(loans.recalled) == [[client.theirs.fileno()]]


def test_one_whose_client_has_left_is_not_lent(counter: Counter) -> None:
    loans, client = counter.open(), counter.welcome()
    counter.ask(client)
    counter.hand.send(ANSWER)
    client.socket.close()
    counter.desk.loop.turn(5)
    counter.hand.end(counter.request.number, len(ANSWER), kept=True)
    assert not loans.lent
    assert client.state is State.CLOSED


def test_a_loop_that_lets_some_go_is_lent_others_meanwhile(counter: Counter) -> None:
    """Its answer takes a turn. On a connection that it has yet to let go it would drop the new socket with the old one."""
    loans = counter.open_loop()
    going, other = counter.welcome(), counter.welcome()
    loans.recall([going.theirs.fileno()])
    assert counter.ask(going).loan is None
    counter.answer(going)
    assert counter.ask(other).loan == (other.theirs.fileno(), other.connection.peer)
    counter.answer(other)
    loans.came_home()
    assert counter.ask(going).loan == (going.theirs.fileno(), going.connection.peer)


def test_who_waits_for_a_loop_that_has_filled_its_places_by_itself_is_next(counter: Counter) -> None:
    loans, client, lender = counter.open_loop(), counter.welcome(), counter.desk.traffic.lender
    loans.words[UNTOLD] = 1
    client.send(GET)
    assert client.state is State.QUEUED
    lender.give_way()
    assert loans.gives_way
    loans.words[UNTOLD] = 0
    assert Words(counter.desk.traffic).heard(counter.hand.worker, bytes((NEWS,)), [])
    assert client.state is State.SERVED
    lender.give_way()
    assert not loans.gives_way


def test_a_connection_that_is_closed_while_a_loop_answers_on_it_leaves_what_its_worker_may_end(counter: Counter) -> None:
    loans, client, worker = counter.open_loop(), counter.welcome(), counter.hand.worker
    counter.ask(client)
    counter.answer(client)
    assert client.state is State.LENT
    key, number = client.theirs.fileno(), number_for(0, 0)
    loans.memory[ROOM : ROOM + len(GET)] = GET
    worker.slot[LOAN], worker.slot[TAKEN], worker.slot[BEGUN_AT] = key, len(GET), time.monotonic_ns()
    counter.hand.stamp(number, BEGUN)
    client.connection.close()
    assert worker.has(number)
    words = Words(counter.desk.traffic)
    assert words.heard(worker, pack_return(OWNED, key, number, GET), [])
    assert words.heard(worker, pack_ending(number, 200, 0, 0, 0), [])
    assert worker.exchange is None


def test_what_a_loop_has_answered_last_is_closed_as_soon_as_it_is_looked_at(counter: Counter) -> None:
    """Its client leaves, of which the kernel tells the loop until that is so."""
    loans, client, worker = counter.open_loop(), counter.welcome(), counter.hand.worker
    counter.ask(client)
    counter.answer(client)
    client.socket.shutdown(socket.SHUT_WR)
    assert loans.till.put(pack_receipt(*receipt(key=client.theirs.fileno(), flags=0, number=number_for(0, 0))))
    attendance = counter.desk.traffic.lender.attendance
    assert worker.loop
    attendance.stirred(worker.loop)
    attendance.look()
    assert client.state is State.CLOSED
    assert worker.loop not in attendance.doubtful


def left_behind(counter: Counter, state: int) -> Client:
    """A client whose connection is lent, after the death of its worker: that was so far with a request, and the rest of the body is
    in the socket.
    """
    loans, client, worker = counter.open(), counter.welcome(), counter.hand.worker
    counter.ask(client)
    counter.answer(client)
    key, beginning = client.theirs.fileno(), LARGE + bytes(1000)
    assert await_bytes(client.theirs, 99_000)
    loans.memory[: len(beginning)] = beginning
    worker.slot[LOAN], worker.slot[TAKEN], worker.slot[BEGUN_AT] = key, len(beginning), time.monotonic_ns()
    counter.hand.stamp(LOANED + 1, state)
    counter.hand.die()
    return client


def test_a_body_that_a_dead_worker_has_waited_for_is_read_here(counter: Counter) -> None:
    client = left_behind(counter, RECEIVED)
    counter.desk.traffic.apply(OPTIONS)
    other = counter.desk.hire()
    client.socket.sendall(bytes(99_000))
    counter.desk.loop.until(other.has_message)
    assert other.request().length == 100_000


def test_no_other_worker_gets_what_is_left_of_a_body(counter: Counter) -> None:
    client = left_behind(counter, BEGUN)
    assert client.answer()[0] == 502
    assert client.state is State.LINGERING


def test_what_a_dead_worker_has_not_read_is_read_here_also_where_its_client_has_ended_its_side(counter: Counter) -> None:
    """The end counts as a byte that was received. It was taken for one of the request before, which is still in the memory."""
    loans, client, worker = counter.open(), on_loan(counter), counter.hand.worker
    loans.memory[: len(GET)] = GET
    client.socket.sendall(GET)
    client.socket.shutdown(socket.SHUT_WR)
    select.select([client.theirs], [], [], 5)
    while not half_closed(client.theirs):
        pass
    worker.slot[LOAN], worker.slot[TAKEN] = client.theirs.fileno(), 0
    counter.hand.stamp(LOANED + 1, RECEIVED)
    counter.desk.traffic.apply(OPTIONS)
    other = counter.desk.hire()
    counter.hand.die()
    counter.desk.loop.until(other.has_message)
    assert other.request().method == "GET"


def test_a_client_that_leaves_before_its_request_is_taken_back_from_a_busy_worker_is_forgotten(counter: Counter) -> None:
    counter.open()
    other, client = counter.welcome(), counter.welcome()
    worker, lender = counter.hand.worker, counter.desk.traffic.lender
    counter.ask(other)
    counter.answer(other)
    client.send(GET)  # which is handed over while the worker finds one more of the other's by itself
    counter.hand.slot[LOAN] = other.theirs.fileno()
    counter.hand.slot[BEGUN_AT] = time.monotonic_ns() - 10**9
    other.socket.sendall(GET)
    counter.hand.slot[TAKEN] = other.theirs.recv_into(worker.loans.memory, ROOM) if worker.loans else 0
    counter.hand.stamp(LOANED + 1, BEGUN)
    client.socket.shutdown(socket.SHUT_WR)
    counter.desk.loop.turn(5)
    assert client.state is State.SERVED, "it may be begun"
    lender.relief.relieve(worker, time.monotonic())
    assert client.state is State.CLOSED
    assert counter.desk.counters[ABANDONED] == 1
    assert counter.desk.traffic.queue.length == 0


def test_what_a_worker_hands_on_behind_a_receipt_is_of_the_request_after_that(counter: Counter) -> None:
    """Words come on the pair, receipts lie in memory: what lies there is to be looked at first. Else the rest of an answer, which
    its client has not read at once, was sent to the client of the request before.
    """
    loans = counter.open()
    first, second = counter.welcome(), counter.welcome()
    worker = counter.hand.worker
    counter.ask(first)
    counter.answer(first)
    number, worker.slot[LOAN], worker.slot[TAKEN] = LOANED + 1, first.theirs.fileno(), len(GET)
    loans.memory[: len(GET)] = GET
    counter.hand.stamp(number, BEGUN)
    second.send(GET)  # which is handed over to a worker that has found one by itself
    assert counter.desk.traffic.lender.adoption.adopt(worker)
    assert worker.after
    loans.till.put(pack_receipt(*receipt(key=first.theirs.fileno(), number=number)))
    assert Words(counter.desk.traffic).heard(worker, pack_rest(ANSWER), [])
    assert second.receive(len(ANSWER)) == ANSWER
    assert not select.select([first.socket], [], [], 0)[0]


def test_an_answer_that_was_told_of_before_an_earlier_request_is_not_entered_twice(
    counter: Counter,
) -> None:
    """A word on the pair may come behind receipts of later requests. The last one of these was entered once more, on a connection
    whose client had asked for something else by then.
    """
    loans = counter.open()
    first, second = on_loan(counter), on_loan(counter)
    worker, key = counter.hand.worker, second.theirs.fileno()
    loans.till.put(pack_receipt(*receipt(key=key, number=LOANED + 2)))
    worker.slot[LOAN], worker.slot[TAKEN] = key, len(GET)
    loans.memory[: len(GET)] = GET
    counter.hand.stamp(LOANED + 2, DONE)
    counter.desk.traffic.lender.receipts.drain(worker)
    assert Words(counter.desk.traffic).heard(worker, pack_return(BACK, first.theirs.fileno(), LOANED + 1, b"GET"), [])
    counter.desk.traffic.apply(OPTIONS)
    other = counter.desk.hire()
    counter.hand.die()
    assert second.state is State.IDLE
    second.send(GET)
    counter.desk.loop.until(other.has_message)
    assert other.request().method == "GET"


def test_what_a_worker_has_given_back_before_it_was_stopped_is_heard_before_its_loans_are_taken(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they come home without what was read of them, which nobody has then: a body would be taken for a head."""
    loans, client = counter.open(), on_loan(counter)
    said = pack_return(BACK, client.theirs.fileno(), LOANED + 1, GET[:10])
    monkeypatch.setattr(counter.desk.loop, "hear_out", lambda worker: Words(counter.desk.traffic).heard(worker, said, []))
    client.socket.sendall(GET[10:])
    assert await_bytes(client.theirs, 1)
    select.select([client.theirs], [], [], 5)
    counter.hand.stamp(counter.request.number, DONE)
    now, relief = time.monotonic(), counter.desk.traffic.lender.relief
    assert loans.moves(now - 10) == 0
    loans.stirred_at = now - 10
    relief.doubtful.add(counter.hand.worker)
    relief.look()
    assert client.connection.inbound.buffer == GET[:10]
    assert not loans.coming


def test_a_worker_that_has_gone_on_behind_a_receipt_is_not_stuck(counter: Counter) -> None:
    loans = counter.open()
    client, worker = counter.welcome(), counter.hand.worker
    counter.ask(client)
    counter.answer(client)
    number, worker.slot[LOAN], worker.slot[TAKEN] = LOANED + 1, client.theirs.fileno(), len(GET)
    loans.memory[: len(GET)] = GET
    counter.hand.stamp(number, BEGUN)
    assert counter.desk.traffic.lender.adoption.adopt(worker)
    loans.till.put(pack_receipt(*receipt(key=client.theirs.fileno(), number=number)))
    counter.hand.stamp(number + 1, BEGUN)
    now = time.monotonic() + 2 * BEGIN_WITHIN
    assert worker.stuck(now)
    counter.desk.traffic.tick(now)
    assert counter.desk.loop.told == []


def test_nor_is_one_that_has_gone_on_behind_an_end_that_is_yet_to_be_heard(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It seemed not to have begun what it had answered, whatever it was inside by then, or slept after."""
    loans, waiting, worker = counter.open(), on_loan(counter), counter.hand.worker
    counter.ask(counter.welcome())
    said = pack_ending(counter.request.number, 200, 0, 0, 0)
    monkeypatch.setattr(counter.desk.loop, "hear_out", lambda worker: Words(counter.desk.traffic).heard(worker, said, []))
    worker.slot[LOAN], worker.slot[TAKEN] = waiting.theirs.fileno(), len(GET)
    loans.memory[: len(GET)] = GET
    counter.hand.stamp(LOANED + 1, BEGUN)
    now = time.monotonic() + 2 * BEGIN_WITHIN
    assert worker.stuck(now)
    counter.desk.traffic.tick(now)
    assert counter.desk.loop.told == []


@pytest.mark.parametrize("recalled", [True, False])
def test_loans_do_not_pay_where_answers_take_long_but_a_recall_says_nothing_of_that(counter: Counter, recalled: bool) -> None:
    """Else one recall of all would be the reason to lend none, whatever they would have taken."""
    counter.open_loop()
    client, lender = counter.welcome(), counter.desk.traffic.lender
    counter.ask(client)
    counter.answer(client)
    if recalled:
        lender.recall(counter.hand.worker)
    number = number_for(0, 0)
    counter.hand.stamp(number, BEGUN)
    assert Words(counter.desk.traffic).heard(counter.hand.worker, pack_return(OWNED, client.theirs.fileno(), number, GET), [])
    assert counter.hand.worker.has(number)
    assert (lender.pace.fetched > 0) is not recalled


@pytest.mark.parametrize("how", ["all", "one"])
def test_a_loop_is_looked_at_until_what_was_recalled_is_home(counter: Counter, how: str) -> None:
    counter.open_loop()
    client, worker, lender = counter.welcome(), counter.hand.worker, counter.desk.traffic.lender
    counter.ask(client)
    counter.answer(client)
    assert client.connection.loan
    if how == "all":
        lender.recall(worker)
    else:
        lender.fetch(client.connection.loan)
    assert worker.loop in lender.attendance.doubtful
    lender.attendance.doubtful.clear()
    lender.tick(time.monotonic())
    assert worker.loop in lender.attendance.doubtful, "what it answered on may have ended since"
    lender.attendance.looked_at = 0.0
    assert worker.loop
    assert worker.loop.loans
    worker.loop.loans.seen_at -= LONG
    lender.attendance.look()
    assert client.state is State.IDLE
    lender.attendance.looked_at = 0.0
    lender.attendance.look()
    assert worker.loop not in lender.attendance.doubtful


def test_no_more_are_lent_than_leave_a_worker_half_of_its_descriptors(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "prlimit", lambda *_: (3, 1 << 20))
    loans = counter.open()
    for number in range(2):
        client = counter.welcome()
        assert (counter.ask(client).loan is None) is (number == 1)
        counter.answer(client)
    assert len(loans.lent) == 1


def on_loan(counter: Counter) -> Client:
    """A client whose connection is."""
    client = counter.welcome()
    counter.ask(client)
    counter.answer(client)
    assert client.state is State.LENT
    return client


def come_home(counter: Counter) -> None:
    """The worker says that it has let go."""
    assert Words(counter.desk.traffic).heard(counter.hand.worker, bytes((HOME,)), [])


def test_who_asks_for_nothing_for_too_long_has_no_more_time_on_loan_than_at_home(counter: Counter) -> None:
    counter.open()
    client = on_loan(counter)
    client.connection.overdue()
    come_home(counter)
    assert client.state is State.CLOSED


def test_what_has_come_at_the_last_moment_is_answered(counter: Counter) -> None:
    counter.open()
    client = on_loan(counter)
    client.connection.overdue()
    client.socket.sendall(GET)
    assert select.select([client.theirs], [], [], 5)[0]
    come_home(counter)
    assert client.state is State.SERVED


def test_a_worker_that_has_many_recalls_to_answer_has_room_for_other_words(counter: Counter) -> None:
    """One that is inside a long request reads none of them, and was taken for faulty when it was told the terms once more."""
    loans, worker = counter.open(), counter.hand.worker
    for key in range(1000, 1400):
        loans.recall([key])
    counter.desk.traffic.apply(OPTIONS._replace(lend_connections=True))
    assert not counter.desk.loop.told
    recalled = []
    while counter.hand.has_message():
        message, _ = receive(counter.hand.wire, inbox())
        if message.startswith(RECALL):
            recalled += unpack_recall(message)
            come_home(counter)
    assert recalled == list(range(1000, 1400))
    assert not loans.recalled
    assert not loans.unsaid
    assert not counter.desk.traffic.lender.owes(worker)


@pytest.mark.parametrize("first", [True, False])
def test_nothing_is_read_on_terms_of_before_because_the_kernel_did_not_hand_on_those_of_now(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    if not first:
        counter.open()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    monkeypatch.setattr(module, "send", refuse)
    if first:
        counter.shared = []
        counter.desk.traffic.add(counter.hand.worker)
    else:
        counter.desk.traffic.apply(OPTIONS._replace(lend_connections=True, trusted_proxies=()))
    assert counter.desk.loop.told == ([] if first else [("faulty", counter.hand.name)])


def test_a_loop_that_has_no_parser_is_no_faulty_one(counter: Counter) -> None:
    """It has closed what it would hear the terms by."""
    counter.open_loop()
    os.close(counter.shared.pop())
    counter.desk.traffic.apply(OPTIONS._replace(lend_connections=True))
    assert not counter.desk.loop.told


@pytest.fixture(params=[False, True], ids=["worker", "loop"])
def meddled(counter: Counter, request: pytest.FixtureRequest) -> Iterator[tuple[Loans, select.epoll]]:
    """The loans of a worker with an event loop or without, and the epoll as its application has it."""
    loans = counter.open_loop() if request.param else counter.open()
    with select.epoll.fromfd(os.dup(counter.shared[0])) as epoll:
        yield loans, epoll


@pytest.mark.parametrize("then", ["it dies", "all is recalled"])
def test_what_an_application_has_taken_out_of_the_epoll_comes_home_with_the_others(
    counter: Counter, meddled: tuple[Loans, select.epoll], then: str
) -> None:
    loans, epoll = meddled
    clients, worker, lender = [on_loan(counter) for _ in range(3)], counter.hand.worker, counter.desk.traffic.lender
    epoll.unregister(clients[1].theirs.fileno())
    if then == "it dies":
        if worker.loop:
            lender.bury_loop(worker.loop)
        counter.hand.die()
    else:
        lender.recall(worker)
        assert Words(counter.desk.traffic).heard(worker, bytes((HOME,)), [])
    assert [client.state for client in clients] == [State.IDLE] * 3
    assert loans.faulty


def test_who_is_found_to_change_the_epoll_is_lent_nothing_more_and_told_of(
    counter: Counter, meddled: tuple[Loans, select.epoll]
) -> None:
    loans, epoll = meddled
    client, lender, told = counter.welcome(), counter.desk.traffic.lender, counter.desk.loop.told
    lender.tick(time.monotonic())
    assert not told
    epoll.register(client.theirs.fileno(), select.EPOLLIN)
    counter.ask(client)
    counter.answer(client)
    lender.tick(time.monotonic())
    assert told == [("faulty", counter.hand.name)]
    assert counter.ask(counter.welcome()).loan is None
    loans.release(client.theirs.fileno())
    assert not epoll.poll(0)


class Lines:
    """Lines of workers, each of which is counted as so `long`. Of all requests so many are answered in a second; `waiting` stand in
    the one line beside them, and one more has had its turn.
    """

    def __init__(self, counter: Counter, monkeypatch: pytest.MonkeyPatch, long: int, waiting: int = 0) -> None:
        loans = counter.open()
        self.lender = counter.desk.traffic.lender
        self.lender.pace.rate = 1000.0
        self.long, self.counted = long, 0
        monkeypatch.setattr(loans, "line", self._count)
        monkeypatch.setattr(type(counter.desk.traffic.queue), "length", waiting)

    def _count(self, most: int) -> int:
        self.counted += 1
        return min(self.long, most)

    def press(self, wait: float, now: float) -> int:
        """Say how long a request has waited; returns how often lines have been counted by then."""
        self.lender.press(wait, now)
        return self.counted


def test_lines_are_counted_once_in_a_moment_however_many_wait(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hundreds of connections every request has."""
    lines = Lines(counter, monkeypatch, ENOUGH)
    assert [lines.press(1.0, now) for now in (10.0, 10.0 + MOMENT / 2, 10.0 + MOMENT * 1.1)] == [1, 1, 2]
    assert lines.lender.resumes > 10.0, "it has waited for a second, and all that wait take less than a tenth of that"


def test_long_lines_are_counted_the_less_often_the_longer_they_are(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that waits there is looked at: with thousands of connections that would take half of the time."""
    lines = Lines(counter, monkeypatch, 10 * ENOUGH)
    assert [lines.press(5.0, now) for now in (10.0, 10.0 + MOMENT * 9.9, 10.0 + MOMENT * 10.1)] == [1, 1, 2]


def test_lines_are_not_counted_where_one_line_explains_the_wait(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside thousands that wait for their turn there, each wait is longer than a moment, and none of them unfair."""
    lines = Lines(counter, monkeypatch, 0, waiting=499)
    fair = LONG + MUCH * 501 / 1000.0
    assert lines.press(fair - 0.001, 10.0) == 0
    assert lines.press(fair + 0.001, 10.0) == 1
    assert lines.lender.resumes == 0.0, "nobody stands in the lines of workers"
    lines.long = 2
    lines.press(fair + 0.001, 20.0)
    assert lines.lender.resumes == 0.0, "nor is it unfair with those that do"
    lines.press(fair + MUCH * 1 / 1000.0 + 0.001, 30.0)
    assert lines.lender.resumes > 30.0


def test_a_long_line_is_not_counted_to_its_end_where_lines_are_compared(counter: Counter) -> None:
    loans = counter.open()
    clients = [counter.welcome() for _ in range(3)]
    for client in clients:
        counter.ask(client)
        counter.answer(client)
        client.socket.sendall(GET)
        select.select([client.theirs], [], [], 5)
    counter.hand.stamp(counter.request.number, DONE)
    assert (loans.line(), loans.line(2)) == (3, 2)
    assert len(loans.readable(2)) == 2
    assert len(loans.readable()) == 3
