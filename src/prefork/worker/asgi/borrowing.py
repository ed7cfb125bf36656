"""Connections that the dispatcher has lent to this worker's event loop: any free place answers what is read here.

One event is taken at a time, and a word in the shared memory says when that begins and when it is noted: so what the dispatcher
takes out of the shared epoll between two looks, this worker has not got. Of a request whose application has done in its first step
there is a receipt, as of a worker's without a loop; any other one is the dispatcher's to know from then on.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from prefork.lending import GIVEN_UP, LOANED, LOOKS, ROOM, TERMS, number_for, unpack_recall
from prefork.messages import CLOEXEC_DONTWAIT, receive
from prefork.scoreboard import REQUEST, TAKEN
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

    __slots__ = ("asked", "borrower", "index", "place", "room")

    def __init__(self, borrower: LoopBorrower, index: int, place: Place, room: memoryview) -> None:
        self.borrower = borrower
        self.index = index
        self.place = place
        self.room = room
        self.asked = b""

    def owning(self) -> bytes:
        """What makes its request one that was handed over, for the dispatcher. Its connection goes back with it."""
        self.borrower.turn_to(self)
        return self.borrower.owning()

    def account(self, request: Request, reply: Reply, worn: bool) -> None:
        """Leave a receipt for its request."""
        self.borrower.turn_to(self)
        self.borrower.account(request, reply, 0, worn)


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
        self.begun: dict[int, Seat] = {}  # by their connections' keys: whose applications have yet to take their first step
        self.taken = 0  # requests read here
        self.more = False
        self.rests: asyncio.TimerHandle | None = None
        self.watches()

    def watches(self) -> None:
        """Have the loop call when there is something to look at."""
        self.loop.add_reader(self.epoll.fileno(), self.look)

    def turn_to(self, seat: Seat) -> None:
        """What is said from now on is about the present request of a seat."""
        self.words, self.memory = seat.place.slot.words, seat.room
        self.size = self.words[TAKEN]
        self.count = (self.words[REQUEST] >> 16) - LOANED
        self.asked = seat.asked

    def look(self) -> None:
        """Begin what has come."""
        first = not self.begun
        for _ in range(AT_ONCE):
            seat = next((seat for seat in self.seats if seat.place.free), None)
            if seat is None:
                self.rest()
                break
            request = self.find(seat)
            if request is not None:
                seat.place.begin_lent(request, self.client(request), seat)
                if seat.place.call:
                    assert request.loan
                    self.begun[request.loan[0]] = seat
            elif not self.more:
                break
        if first and self.begun:
            self.loop.call_soon(self.settle)

    def settle(self) -> None:
        """The applications that had something to do have taken their first step: who has not done is the dispatcher's to know."""
        begun, self.begun = self.begun, {}
        for seat in begun.values():
            seat.place.settle()

    def find(self, seat: Seat) -> Request | None:
        """The next request, for a seat, where there is one; `more` says whether to look again."""
        self.words, self.memory = seat.place.slot.words, seat.room
        self.counts[LOOKS] += 1
        found = self.epoll.poll(0, 1)
        key = found[0][0] if found else PAIR
        loan = self.loans.get(key) if key not in self.begun else None
        request = None
        if loan:
            self.count = number_for(seat.index, self.taken) - LOANED - 1
            self.taken += 1
            request = self._read(key, loan)
            seat.asked = self.asked
        self.counts[LOOKS] += 1
        self.more = loan is not None
        if not found:
            self.idle_at = time.monotonic_ns()
        elif key == PAIR:
            self.hear()
        elif key not in self.begun and loan is None:  # it went back, and the dispatcher is about to take it out of the epoll
            self.rest()
        return request

    def hear(self) -> None:
        """The dispatcher says which connections are to be let go, or on which terms others are lent."""
        try:
            message, _ = receive(self.pair, self.buffer, CLOEXEC_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self.loop.remove_reader(self.epoll.fileno())
        elif message.startswith(TERMS):
            self.agree(message)
        else:
            # What is being answered is let go by saying so. Nothing else is: each that is costs its connection two hand-overs.
            for key in unpack_recall(message):
                if seat := self.begun.pop(key, None):
                    seat.place.settle()
            with contextlib.suppress(OSError):  # the dispatcher has let this worker go meanwhile, and its end will say so
                self.recall(message)

    def owning(self) -> bytes:
        """As of a worker without a loop; and a word says so to whoever has not heard it."""
        self.counts[GIVEN_UP + (self.count - 1 & 255)] = LOANED + self.count
        return super().owning()

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
