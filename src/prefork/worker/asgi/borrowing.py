"""Connections that the dispatcher has lent to this worker's event loop: any free place answers what is read here.

A word in the shared memory says when this worker begins to look for events, and when all of them are noted: so what the dispatcher
takes out of the shared epoll between two looks, this worker has not got. Of a request that is done soon there is a receipt, as of
a worker's without a loop, also where its application has waited for something. It is the dispatcher's to know as soon as it takes
long, or something else comes on its connection: its client asks for more, or has left.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from prefork.lending import GIVEN_UP, LOANED, LOOKS, NEWS, ROOM, TERMS, UNTOLD, WAITING, number_for, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, receive, send
from prefork.scoreboard import LOAN, REQUEST, TAKEN
from prefork.worker.borrowing import PAIR, Borrower

if TYPE_CHECKING:
    import asyncio
    import socket

    from prefork.messages import Request
    from prefork.worker.asgi.place import Place
    from prefork.worker.asgi.shared import Shared
    from prefork.worker.reply import Reply

AT_ONCE = 4  # requests that are begun before the rest of the loop has its turn: one that blocks it holds up the others
MOMENT = 0.001  # seconds for which nothing is looked for where it could not be answered


class Seat:
    """What one place has read: the present request's, until its dispatcher knows of it."""

    __slots__ = ("asked", "borrower", "idle_at", "index", "place", "room")

    def __init__(self, borrower: LoopBorrower, index: int, place: Place, room: memoryview) -> None:
        self.borrower = borrower
        self.index = index
        self.place = place
        self.room = room
        self.asked = b""
        self.idle_at = 0  # when its loop had nothing else to read last, before its request (monotonic nanoseconds)

    def owning(self) -> bytes:
        """What makes its request one that was handed over, for the dispatcher. Its connection goes back with it."""
        self.borrower.turn_to(self)
        return self.borrower.owning()

    def account(self, request: Request, reply: Reply, worn: bool) -> None:
        """Leave a receipt for its request; and who waits for a place hears that there is one."""
        borrower = self.borrower
        borrower.turn_to(self)
        borrower.left()
        try:
            borrower.account(request, reply, 0, worn)
            if borrower.counts[WAITING]:
                send(borrower.pair, bytes((NEWS,)))
        except OSError:
            pass  # the dispatcher has gone: its client has the answer all the same


class LoopBorrower(Borrower):
    """`wire` is for words about loans only: those on the pairs of places wait where a client does not read."""

    def __init__(self, shared: Shared, epoll: int, memory: int, wire: socket.socket) -> None:
        super().__init__(wire, shared.places[0].slot, epoll, memory)
        self.loop = shared.loop
        self.buffer = shared.buffer
        whole = self.memory
        self.counts = whole[:ROOM].cast("Q")
        self.seats = [
            Seat(self, index, place, whole[ROOM * (index + 1) : ROOM * (index + 2)]) for index, place in enumerate(shared.places)
        ]
        self.inside: dict[int, Seat] = {}  # by their connections' keys: whose requests are neither done nor told of
        self.begun: list[Seat] = []  # those whose applications have yet to take their first step
        self.taken = 0  # requests read here
        self.empty_at = 0  # when there was nothing else to read last (monotonic nanoseconds)
        # Where a request's first step is taken at once, and that blocks, another loop gets those behind it.
        self.together = 1 if shared.eager else AT_ONCE
        self.more = self.called = False
        self.ended = False  # the dispatcher has nothing more to say
        self.rests: asyncio.TimerHandle | None = None
        self.watches()

    def descriptors(self) -> list[int]:
        """As of a worker without a loop; and the wire."""
        return [self.pair.fileno(), *super().descriptors()]

    def watches(self) -> None:
        """Have the loop call when there is something to look at."""
        if not self.ended:
            self.loop.add_reader(self.epoll.fileno(), self.look)

    def turn_to(self, seat: Seat) -> None:
        """What is said from now on is about the present request of a seat."""
        self.words, self.memory = seat.place.slot.words, seat.room
        self.size = self.words[TAKEN]
        self.count = (self.words[REQUEST] >> 16) - LOANED
        self.asked, self.idle_at = seat.asked, seat.idle_at

    def look(self) -> None:
        """Begin what has come."""
        first = not self.begun
        for _ in range(AT_ONCE // self.together):
            seats = self.vacant() if not self.counts[WAITING] else []
            if not seats:
                self.hear()  # a recall waits for nobody's place
                self.rest()
                break
            for key, seat, request in self.find(seats):
                seat.place.begin_lent(request, self.loans[key].client, seat)
                if seat.place.call:
                    self.begun.append(seat)
            if self.called:
                self.hear()
            if not self.more:
                break
        if first and self.begun:
            self.loop.call_soon(self.settle)

    def vacant(self) -> list[Seat]:
        """Seats for what is found next."""
        found = []
        for seat in self.seats:
            if seat.place.call is None and seat.place.free:
                found.append(seat)
                if len(found) == self.together:
                    break
        return found

    def settle(self) -> None:
        """The applications that had something to do have taken their first step."""
        begun, self.begun = self.begun, []
        for seat in begun:
            seat.place.settle()

    def find(self, seats: list[Seat]) -> list[tuple[int, Seat, Request]]:
        """The requests that have come, at most one for each of these seats, with their connections' keys.

        `more` says whether to look again, `called` whether the dispatcher has something to say.
        """
        requests, again, stale = [], [], False
        self.called = False
        self.counts[LOOKS] += 1
        found = self.epoll.poll(0, len(seats))
        for (key, _), seat in zip(found, seats):
            loan = self.loans.get(key)
            if loan is None:
                self.called = self.called or key == PAIR
                stale = stale or key != PAIR
            elif key in self.inside:
                again.append(self.inside[key])
            else:
                self.words, self.memory = seat.place.slot.words, seat.room
                self.count = number_for(seat.index, self.taken) - LOANED - 1
                self.taken += 1
                request = self._read(key, loan)
                if request is not None:
                    seat.asked, seat.idle_at = self.asked, self.empty_at
                    self.inside[key] = seat
                    requests.append((key, seat, request))
        self.counts[UNTOLD] = len(self.inside)
        self.counts[LOOKS] += 1
        self.more = len(found) == len(seats) and len(requests) > 0 and not stale
        if len(found) < len(seats):
            self.empty_at = time.monotonic_ns()
        for seat in again:  # its client asks for more before it has its answer, or has left: that is not for us to judge
            seat.place.disown()
        if stale:  # it went back, and the dispatcher is about to take it out of the epoll
            self.rest()
        return requests

    def hear(self) -> None:
        """The dispatcher says which connections are to be let go, or on which terms others are lent."""
        try:
            message, _ = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self.ended = True
            self.loop.remove_reader(self.epoll.fileno())
        elif message.startswith(TERMS):
            self.agree(message)
        else:
            # What is being answered is let go by saying so. Nothing else is: each that is costs its connection two hand-overs.
            for key in unpack_recall(message):
                if seat := self.inside.get(key):
                    seat.place.disown()
            with contextlib.suppress(OSError):  # the dispatcher has let this worker go meanwhile, and its end will say so
                self.recall(message)

    def owning(self) -> bytes:
        """As of a worker without a loop; and a word says so to whoever has not heard it."""
        self.counts[GIVEN_UP + (self.count - 1 & 255)] = LOANED + self.count
        self.left()
        return super().owning()

    def left(self) -> None:
        """The present request is done, or told of."""
        del self.inside[self.words[LOAN]]
        self.counts[UNTOLD] = len(self.inside)

    def rest(self) -> None:
        """Look at nothing for a moment."""
        self.loop.remove_reader(self.epoll.fileno())
        self.rests = self.loop.call_later(MOMENT, self.watches)

    def close(self) -> None:
        """Read nothing any more."""
        if self.rests:
            self.rests.cancel()
        self.loop.remove_reader(self.epoll.fileno())
        for key in list(self.loans):
            self._drop(key)
        self.epoll.close()
        self.pair.close()
