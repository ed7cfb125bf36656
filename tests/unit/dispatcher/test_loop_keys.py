"""Keys of connections are descriptors, which come again: what a loop may still have of the earlier one."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.loops import EventLoop
from prefork.dispatcher.states import State
from prefork.dispatcher.words import Words
from prefork.dispatcher.workers import Sentence
from prefork.lending import LASTS, OWNED, ROOM, number_for, pack_receipt, pack_return
from prefork.messages import BUSY, CLOEXEC_DONTWAIT, inbox, pack_ending, pack_gone, receive
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, LOAN, TAKEN, TURNED, WRITING

from .conftest import OPTIONS, Client, Desk, Hand
from .test_lender import ANSWER, GET, RIGHTS
from .test_newcomers import Again
from .test_receipts import receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.dispatcher.loop_loans import LoopLoans
    from prefork.messages import Request

PLACES = 3


class Clerk:
    """An event loop that is lent connections, at the other end of its wires. It says that it turns, however long a test takes."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.hands = [Hand(desk, len(desk.hands) + each) for each in range(PLACES)]
        desk.hands += self.hands
        first = self.worker = self.hands[0].worker
        first.slot[TURNED] = time.monotonic_ns() + 10**12
        self.loop = EventLoop(first.number, PLACES, first.pid, first.slot, first.pidfd, None)
        for hand in self.hands:
            hand.worker.loop = self.loop
            self.loop.places.append(hand.worker)
        for hand in self.hands:
            desk.traffic.add(hand.worker)
        self.descriptors = receive(self.hands[0].wire, inbox(), CLOEXEC_DONTWAIT, RIGHTS)[1]
        self.wire = socket.socket(fileno=self.descriptors.pop())

    @property
    def loans(self) -> LoopLoans:
        assert self.loop.loans
        return self.loop.loans

    def say(self, word: bytes) -> bool:
        return Words(self.desk.traffic).heard(self.worker, word, [])

    def hand_of(self, client: Client) -> Hand:
        """Who has been handed the request of a client."""
        found = [hand for hand in self.hands if hand.worker.exchange and hand.worker.exchange.connection is client.connection]
        assert len(found) == 1
        return found[0]

    def answer(self, client: Client, *, kept: bool = False) -> Request:
        """Answer a request that was handed over."""
        hand = self.hand_of(client)
        request = hand.begin()
        hand.send(ANSWER)
        assert client.receive(len(ANSWER)) == ANSWER
        hand.end(request.number, len(ANSWER), kept=kept)
        return request

    def close(self) -> None:
        """Its hands are closed by the desk."""
        self.wire.close()
        self.loop.close()
        for descriptor in [*self.descriptors, *(hand.worker.pidfd for hand in self.hands[1:])]:
            os.close(descriptor)


@pytest.fixture
def clerk(desk: Desk) -> Iterator[Clerk]:
    desk.traffic.apply(OPTIONS._replace(lend_connections=True))
    desk.traffic.accounts.pace.rate = 1e-6  # per second: nothing waits longer than is fair, however long a test takes
    clerk = Clerk(desk)
    yield clerk
    for client in desk.clients:
        client.close()
    clerk.close()


def test_no_connection_is_kept_under_the_key_of_one_whose_client_has_left_before_its_answer(desk: Desk, clerk: Clerk) -> None:
    """That one may be kept, too, when its request ends; and what the loop is told to let go then would be the later one."""
    client = desk.connect(early=GET)
    first = clerk.hand_of(client)
    client.connection.close()
    again = Again(desk, client)
    clerk.answer(again)
    again.send(GET)
    assert clerk.answer(again).loan is None
    number = first.begin().number
    first.end(number, 0)
    assert receive(first.wire, inbox())[0] == pack_gone(number)
    again.send(GET)
    assert clerk.answer(again).loan == (again.theirs.fileno(), again.connection.peer)


def test_a_request_behind_whose_answer_a_place_goes_on_is_not_taken_for_one_of_a_later_connection(desk: Desk, clerk: Clerk) -> None:
    """The place's slot still names the key."""
    client = desk.connect(early=GET)
    clerk.answer(client)
    client.send(GET)
    assert clerk.answer(client, kept=True).loan
    assert client.state is State.LENT
    number, place, key = number_for(0, 0), clerk.hands[0], client.theirs.fileno()
    place.slot[LOAN], place.slot[TAKEN] = key, len(GET)
    place.stamp(number, BEGUN)
    assert clerk.say(pack_return(OWNED, key, number, GET))
    assert clerk.say(pack_ending(number, 200, 0, 0, BUSY))
    place.stamp(number, WRITING)
    assert client.state is State.CLOSED
    again = Again(desk, client)
    clerk.answer(again)
    again.send(GET)
    assert clerk.hand_of(again) is not place
    clerk.answer(again, kept=True)
    assert again.state is State.LENT
    again.connection.close()
    assert place.worker.exchange is None
    assert place.worker.finishing == number


@pytest.mark.parametrize("place", range(PLACES))
def test_the_receipt_of_a_request_that_has_become_an_exchange_ends_it_in_whatever_place(
    desk: Desk, clerk: Clerk, place: int
) -> None:
    """It was made one for a sentence that was another request's; and its loop had ended it before it heard that."""
    client = desk.connect(early=GET)
    clerk.answer(client)
    client.send(GET)
    assert clerk.answer(client, kept=True).loan
    hand, number, key = clerk.hands[place], number_for(place, 7), client.theirs.fileno()
    clerk.loans.memory[ROOM * (1 + place) : ROOM * (1 + place) + len(GET)] = GET
    hand.slot[LOAN], hand.slot[TAKEN], hand.slot[BEGUN_AT] = key, len(GET), time.monotonic_ns()
    hand.stamp(number, BEGUN)
    assert not desk.traffic.departures.condemn(hand.worker, number - 256, Sentence(504, "too long", "i"))
    assert hand.worker.has(number)
    hand.stamp(number, DONE)
    assert clerk.loans.till.put(pack_receipt(*receipt(key=key, number=number, flags=LASTS)))
    desk.traffic.lender.tick(time.monotonic())
    assert hand.worker.exchange is None
    assert client.state is State.IDLE
