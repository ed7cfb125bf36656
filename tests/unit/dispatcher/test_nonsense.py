"""A worker whose memory is overwritten says anything, in its slot, in what loans share, on its pair: nobody else notices."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.lending import (
    BACK,
    DECLINED,
    ENTERED,
    HOME,
    LOANED,
    NEWS,
    OWNED,
    RING,
    ROOM,
    TOLD,
    WRITTEN,
    Receipt,
    pack_receipt,
    pack_return,
)
from prefork.messages import CLOEXEC_DONTWAIT, END, FILE, FREE, REST, TAKEN, inbox, pack_ending, pack_extent, receive
from prefork.scoreboard import BEGUN, BEGUN_AT, LOAN, REQUEST, WORDS, WRAP, pack_progress
from prefork.scoreboard import TAKEN as READ

from .conftest import OPTIONS, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Step = Callable[["Victim"], Any]

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLIENTS = 3
FIGURE = st.one_of(st.integers(0, 40), st.integers(0, WRAP), st.sampled_from([WRAP, 1 << 63, 1 << 48, ROOM, ROOM + 1, 1 << 31]))
NUMBER = st.one_of(st.integers(LOANED - 1, LOANED + 3), st.integers(1, 6), st.integers(0, (1 << 48) - 1))
STATE = st.integers(0, 15)
PLACE = st.integers(0, CLIENTS - 1)
DATA = st.one_of(
    st.just(GET), st.sampled_from([GET + GET, GET[:9], b"\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b""]), st.binary(max_size=80)
)


class Victim:
    """A worker with clients on loan, and another one, which is well."""

    def __init__(self, directory: Path) -> None:
        desk = self.desk = Desk(directory)
        desk.traffic.apply(OPTIONS._replace(lend_connections=True))
        desk.traffic.accounts.pace.rate = 1e-6  # nothing waits longer than is fair, however long a test takes
        self.words = Words(desk.traffic)
        self.heard = True
        self.hand = desk.hire()
        self.worker = self.hand.worker
        _, self.shared = receive(self.hand.wire, inbox(), CLOEXEC_DONTWAIT, socket.CMSG_SPACE(12))
        assert self.worker.loans
        self.loans = self.worker.loans
        self.clients = [desk.connect() for _ in range(CLIENTS)]
        for client in self.clients:
            for _ in range(2):
                client.send(GET)
                request = self.hand.begin()
                self.hand.send(ANSWER)
                assert client.receive(len(ANSWER)) == ANSWER
                self.hand.end(request.number, len(ANSWER), kept=request.loan is not None)
            assert client.state is State.LENT

    def key(self, place: int) -> int:
        return self.clients[place].connection.descriptor

    def say(self, message: bytes) -> None:
        """As the dispatcher's loop hears it: nothing more after the first word that makes no sense."""
        self.heard = self.heard and self.words.heard(self.worker, message, [])

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.desk.close()
        for descriptor in self.shared:
            os.close(descriptor)


def progress(number: int, state: int, place: int, size: int, began: int) -> Step:
    """What its slot says of the request that it is inside."""

    def step(victim: Victim) -> None:
        slot = victim.hand.slot
        slot[LOAN], slot[READ], slot[BEGUN_AT] = victim.key(place), size, began
        slot[REQUEST] = pack_progress(number, state)

    return step


def word(place: int, value: int) -> Step:
    return lambda victim: victim.hand.slot.words.__setitem__(place, value)


def memory(at: int, data: bytes) -> Step:
    return lambda victim: victim.loans.memory.__setitem__(slice(at, at + len(data)), data)


def wrote(word: int, value: int) -> Step:
    return lambda victim: victim.loans.till.words.__setitem__(word, value)


def receipt(place: int, flags: int, status: int, number: int, figures: list[int]) -> Step:
    """One that is whole."""
    size, wait, began, service, sent, cpu, sql = figures

    def step(victim: Victim) -> None:
        told = Receipt(
            flags, status, victim.key(place), size & 0xFFFFFFFF, number, wait, began, service, sent, cpu, 1, sql, b"192.0.2.7",
            b"", b"", b"\3\0\1\0\0\0GET/",
        )  # fmt: skip
        if victim.loans.till.has_room():
            victim.loans.till.put(pack_receipt(*told))

    return step


def gives(kind: int, place: int, number: int, data: bytes) -> Step:
    return lambda victim: victim.say(pack_return(kind, victim.key(place), number, data))


def ends(number: int, status: int, flags: int, figures: list[int], tag: bytes) -> Step:
    sent, cpu, sql = figures
    return lambda victim: victim.say(pack_ending(number, status, sent, cpu, flags, 1, sql, tag))


def says(message: bytes) -> Step:
    return lambda victim: victim.say(message)


def looks(victim: Victim) -> None:
    """What the dispatcher does now and then."""
    now = time.monotonic()
    victim.desk.traffic.tick(now)
    victim.desk.traffic.lender.relief.look()


def asks(place: int) -> Step:
    """A client sends something."""

    def step(victim: Victim) -> None:
        client = victim.clients[place]
        if client.state is not State.CLOSED:
            client.socket.sendall(GET)
            if client.connection.watched:
                victim.desk.loop.turn(0.1)
            victim.desk.traffic.lender.relief.stirred(victim.worker)

    return step


KINDS = [BACK, DECLINED, END, FREE, HOME, NEWS, OWNED, REST, TAKEN]
STEP: st.SearchStrategy[Step] = st.one_of(
    st.builds(progress, NUMBER, STATE, PLACE, FIGURE, FIGURE),
    st.builds(progress, NUMBER, st.just(BEGUN), PLACE, st.just(len(GET)), FIGURE),
    st.builds(word, st.integers(0, WORDS - 1), FIGURE),
    st.builds(memory, st.just(0), DATA),
    st.builds(memory, st.sampled_from([ROOM + TOLD, ROOM + TOLD + RING - 64]), st.binary(max_size=64)),
    st.builds(wrote, st.sampled_from([WRITTEN, ENTERED]), FIGURE),
    st.builds(receipt, PLACE, STATE, st.integers(0, 65535), NUMBER, st.lists(FIGURE, min_size=7, max_size=7)),
    st.builds(gives, st.sampled_from([BACK, OWNED]), PLACE, NUMBER, DATA),
    st.builds(ends, NUMBER, st.integers(0, 65535), STATE, st.lists(FIGURE, min_size=3, max_size=3), st.binary(max_size=300)),
    st.builds(lambda kind, data: says(bytes((kind,)) + data), st.sampled_from(KINDS), st.binary(max_size=64)),
    st.builds(says, st.binary(min_size=1, max_size=64)),
    st.just(looks),
    st.builds(asks, PLACE),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=12))
def test_a_worker_that_says_anything_dies_alone(tmp_path: Path, steps: list[Step]) -> None:
    with closing(Victim(tmp_path)) as victim:
        for step in steps:
            step(victim)
        victim.hand.die()
        assert not {client.state for client in victim.clients} & {State.LENT, State.SERVED}, "a client is left behind"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    with closing(Victim(tmp_path)) as made:
        yield made


def test_a_request_that_none_of_ours_has_read_ends_its_connection(victim: Victim) -> None:
    gives(OWNED, 0, LOANED + 1, b"nonsense\r\n\r\n")(victim)
    assert victim.clients[0].state is State.CLOSED
    assert not victim.worker.exchange


def test_nobody_is_inside_two_requests(victim: Victim) -> None:
    other = victim.desk.connect()
    other.send(GET)
    gives(OWNED, 0, LOANED + 1, GET)(victim)
    assert victim.heard
    assert victim.worker.after
    gives(OWNED, 0, LOANED + 1, GET)(victim)
    assert victim.heard, "it may have been taken home before its worker has said so"
    gives(OWNED, 1, LOANED + 2, GET)(victim)
    assert not victim.heard
    victim.hand.die()
    assert {client.state for client in (*victim.clients, other)} == {State.QUEUED, State.IDLE}


def test_a_request_that_is_yet_to_begin_has_begun_now(victim: Victim) -> None:
    progress(LOANED + 1, BEGUN, 0, len(GET), WRAP)(victim)
    memory(0, GET)(victim)
    victim.hand.die()
    assert victim.clients[0].state is State.QUEUED


@pytest.mark.parametrize(
    "message", [pack_ending(4, 200, 0, 0, 0, tag=b"x" * 300), bytes((END,)), bytes((TAKEN,)), bytes((FREE, 1))]
)
def test_what_is_none_of_our_words_is_no_word(victim: Victim, message: bytes) -> None:
    assert not victim.words.heard(victim.worker, message, [])


def test_nothing_is_sent_of_beyond_the_end_of_any_file(victim: Victim) -> None:
    assert not victim.words.heard(victim.worker, pack_extent(FILE, WRAP, 1), [0])
    assert not victim.words.heard(victim.worker, pack_extent(FILE, 1, (1 << 63) - 1), [0])
