"""The connections that an event loop has on loan: any of its places may answer on any of them. Decides nothing.

A loop takes a few events at once out of the shared epoll, and its LOOKS word is odd from before that until it has read what it has
found, each request for a place that has noted it. What is taken out of that epoll while the word is even, and the same before and
after, the loop has not got and never will: `take_unread`. A loop is inside several requests at once, so none of them says that.

Its words about loans come on a wire of their own, because that of a place waits where a client does not read. Only that a request
is OWNED comes before what is said of that request, and a word in the shared memory tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.loans import ENOUGH, Loans
from prefork.kernel import barrier
from prefork.lending import GIVEN_UP, LOANED, LOOKS, ROOM, UNTOLD, WAITING, Terms, pack_terms, place_of
from prefork.messages import DONTWAIT, pair, send
from prefork.scoreboard import HALTED, LOAN

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.loops import EventLoop
    from prefork.dispatcher.workers import Worker


class LoopLoans(Loans):
    """`seen` is the LOOKS word as it was seen last, `seen_at` since when (monotonic seconds), `spent` the processor time of the
    process a moment after that (nanoseconds, 0: not asked yet), `uneven_at` since when another loop has far less before it.
    """

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        wire, theirs = pair()
        try:
            super().__init__(loop.places[0].slot, wire, loop.size + 1)
        except OSError:
            wire.close()
            theirs.close()
            raise
        self.shared += (theirs.detach(),)
        self.words = memoryview(self.memory)[:ROOM].cast("Q")
        self.told = [0] * loop.size  # the last number of each place that was heard of
        self.given_up = [0] * loop.size  # and the last one of those that are OWNED
        self.seen = 0
        self.seen_at = 0.0
        self.spent = 0
        self.uneven_at = 0.0

    def offer(self, terms: Terms) -> None:
        """Tell the loop on which terms it is lent connections: the first time on the pair of its first place. Raises OSError."""
        self.prefix = terms.prefix
        if self.shared:
            send(self.loop.places[0].wire, pack_terms(terms), [self.epoll.fileno(), *self.shared], DONTWAIT)
            self.close_shared()
        else:
            send(self.wire, pack_terms(terms), (), DONTWAIT)

    def looks(self) -> int:
        """How often the loop has begun or ended to look for requests."""
        return self.words[LOOKS]

    def busy(self) -> int:
        """How many of its places are inside requests that it has read and not told of."""
        return self.words[UNTOLD]

    def give_way(self, waiting: int) -> None:
        """Have the loop leave its places to so many requests that wait."""
        self.words[WAITING] = waiting

    @property
    def gives_way(self) -> bool:
        """Whether it does."""
        return self.words[WAITING] > 0

    def take_unread(self, connection: Connection, looks: int) -> bool:
        """Take a connection home that the loop does not answer on, if it has not looked since `looks` was what it said."""
        if looks % 2:
            return False
        key = connection.descriptor
        self._unregister(key)
        if self.words[LOOKS] == looks:
            self.forget(key)
            return True
        self._register(key)
        return False

    def unsaid_by(self) -> list[Worker]:
        """The places that have said of a request that it is OWNED, which nobody has heard."""
        indices = ((worker, self._index(worker)) for worker in self.loop.places)
        return [worker for worker, index in indices if self.words[GIVEN_UP + index] != self.given_up[index]]

    def untold(self) -> set[int]:
        """The keys of the connections with a request that the loop has read and not told of."""
        found = set()
        for worker in self.loop.places:
            number = worker.slot.progress().number
            if number > LOANED and number != self.last_heard(worker):
                found.add(worker.slot.words[LOAN])
        return found

    def unanswered(self) -> bool:
        """Whether connections were recalled that the loop need not have on loan any more: it does not answer on them."""
        return bool(self.coming) and not self.coming.keys() <= self.untold()

    def forbid(self) -> int:
        """Recall all, and forbid the loop to read meanwhile. Returns its LOOKS word then."""
        self.recall_all()
        for worker in self.loop.places:
            worker.slot.words[HALTED] = 1
        barrier()
        return self.words[LOOKS]

    def came_home(self) -> list[Connection]:
        """As of a worker without a loop."""
        found = super().came_home()
        if not self.halted:
            for worker in self.loop.places:
                worker.slot.words[HALTED] = 0
        return found

    def line(self, most: int = ENOUGH) -> int:
        """How many requests have come that the loop has not read, `most` of them."""
        return len(self.watch.poll(0, most)) if self.lent else 0

    def heard(self, number: int) -> None:
        """A request of that number has been told of."""
        place = place_of(number)
        if place < len(self.told):
            self.told[place] = max(self.told[place], number)

    def own(self, worker: Worker, number: int) -> None:
        """A place has said that a request is OWNED."""
        self.given_up[self._index(worker)] = number

    def last_heard(self, worker: Worker) -> int:
        """The number of the last request of a place that was told of."""
        return self.told[self._index(worker)]

    def bytes_of(self, worker: Worker, size: int) -> bytes:
        """So many bytes of what was read last for a place."""
        start = ROOM * (1 + self._index(worker))
        return self.memory[start : start + size]

    def close(self) -> None:
        """Let go of everything."""
        self.words.release()
        super().close()
        self.wire.close()

    def _index(self, worker: Worker) -> int:
        return worker.number - self.loop.number
