"""The connections that one worker has on loan, and what both processes share for it. Decides nothing.

Who may read a connection is settled by the kernel: the worker hears of its loans from one epoll only, which both processes have,
one event at a time, and its slot says when it is inside a request. What is taken out of that epoll while it is inside the same
request before and after, it has not got and never will: `take`. Anything else has to be recalled, and the worker answers.

A worker that has stopped in no request may have heard of one of them: `halt` and `free` tell which.

A second epoll is the dispatcher's own. Both wait exclusively, the worker's first: the kernel tells the dispatcher of a request only
if its worker does not wait for one at that moment (epoll_ctl(2), EPOLLEXCLUSIVE).
"""

from __future__ import annotations

import errno
import mmap
import os
import select
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from prefork.dispatcher.fairness import MOMENT
from prefork.kernel import barrier, bytes_read, shared_memory, unheard
from prefork.lending import LOANED, Terms, Till, memory_for, pack_new, pack_recall, pack_terms, unpack_receipts
from prefork.messages import DONTWAIT, send
from prefork.scoreboard import BEGUN, BEGUN_AT, DONE, HALTED, LOAN, REQUEST, WRITING

if TYPE_CHECKING:
    import socket

    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.workers import Worker
    from prefork.lending import Receipt
    from prefork.scoreboard import Progress, Slot

LENT = select.EPOLLIN | select.EPOLLEXCLUSIVE
ENOUGH = 64  # requests of a line that are counted where lines are compared, which is often: each that waits is looked at again
INSIDE = frozenset((BEGUN, WRITING))
MOST_SAID = 32  # recalls that a worker has yet to answer: its pair has room for whatever else it is to hear
MUCH = 0.5  # of the pair's room, which new connections leave to all else


class Loans:
    """`lent` are the connections by their keys, which are our descriptors; `coming` those that were recalled and are not home yet.

    `watch` is our epoll, `number` that of the last request that we have heard of, `read` how many bytes of each connection.
    `prefix` begins the ids of the requests that the worker reads. `faulty`: what is in the epoll is not what was put there, for the
    application has it as well. Raises OSError where there is no descriptor or no memory for it.
    """

    def __init__(self, slot: Slot, wire: socket.socket, places: int = 1) -> None:
        self.slot = slot
        self.wire = wire
        with ExitStack() as made:
            self.epoll = made.enter_context(select.epoll())
            self.watch = made.enter_context(select.epoll())
            memory = shared_memory("prefork-loans", memory_for(places))
            made.callback(os.close, memory)
            self.memory = mmap.mmap(memory, memory_for(places))
            made.pop_all()
        self.till = Till(self.memory)
        self.shared: tuple[int, ...] = (memory,)
        self.prefix = ""
        self.faulty = False
        self.lent: dict[int, Connection] = {}
        self.coming: dict[int, Connection] = {}
        self.recalled: deque[list[int]] = deque()  # what each answer that is still to come stands for
        self.unsaid: list[int] = []  # what is yet to be said
        self.read: dict[int, int] = {}
        self.number = 0
        self.stirred_at = self.moved_at = 0.0  # when there was something to read first; when the worker was seen to go on
        self.word = 0

    def offer(self, terms: Terms) -> None:
        """Tell the worker on which terms it is lent connections. Raises OSError."""
        self.prefix = terms.prefix
        descriptors = [self.epoll.fileno(), *self.shared] if self.shared else []
        send(self.wire, pack_terms(terms), descriptors, DONTWAIT)
        self.close_shared()

    def close_shared(self) -> None:
        """Let go of what only the worker needs."""
        for descriptor in self.shared:
            os.close(descriptor)
        self.shared = ()

    def lend(self, connection: Connection, new: bool = False) -> None:
        """Have the worker read a connection, which nobody else reads; of a `new` one nothing has been read. Raises OSError."""
        key = connection.descriptor
        self.read[key] = 0 if new else bytes_read(connection.socket)
        self.lent[key] = connection
        self._register(key)

    def introduce(self, connection: Connection, came: float) -> None:
        """Give the worker a new connection, which came at `came` (monotonic seconds) and is about to be lent.

        Raises OSError, also where it has yet to hear of many others: what it is handed next must find room.
        """
        if unheard(self.wire) > MUCH:
            raise BlockingIOError(errno.EAGAIN, "the worker has much to hear")
        key = connection.descriptor
        send(self.wire, pack_new(key, connection.peer, connection.local, int(came * 1e9)), [key], DONTWAIT)

    def take(self, connection: Connection, number: int, slot: Slot | None = None) -> bool:
        """Take a connection home from a worker that is inside request `number`; False when it has gone on meanwhile. `slot` is that
        of the request, where the worker has several.
        """
        key = connection.descriptor
        on_loan = key in self.lent
        if on_loan:
            self._unregister(key)
        progress = (slot or self.slot).progress()
        if progress.number == number and progress.state in INSIDE:
            self.forget(key)
            return True
        if on_loan:
            self._register(key)
        return False

    def halt(self) -> Progress:
        """Recall all, and forbid the worker to read meanwhile. Returns what it has done about its last request.

        It sees that it may not read after it has noted what it is about to: so either it does, or its note is seen here.
        """
        self.recall_all()
        self.slot.words[HALTED] = 1
        barrier()
        return self.slot.progress()

    def free(self, halted: Progress) -> list[Connection]:
        """The connections that a halted worker will not read, given what it had done about its last request and that all receipts
        are entered. None at all where it goes on: it will say so itself.
        """
        held, found = self.slot.words[LOAN], self.slot.progress()
        own = found.number > LOANED and found.number != self.number
        if found != halted or (own and found.state == DONE):
            return []
        return [connection for key, connection in self.coming.items() if not own or key != held]

    def recall_all(self) -> None:
        """Have the worker let go of all that it has on loan."""
        keys = list(self.lent)
        for key in keys:
            self.stop(key)
        self.recall(keys)

    def recalls(self, key: int) -> bool:
        """Whether the worker has yet to answer that it has let go of what had this key."""
        return any(key in keys for keys in self.recalled)

    def came_home(self) -> list[Connection]:
        """The worker has let go of what was recalled first: what of it is home by that."""
        keys = self.recalled.popleft()
        self.say()
        if not self.recalled and not self.unsaid:
            self.slot.words[HALTED] = 0
        return [connection for key in keys if (connection := self.coming.pop(key, None))]

    @property
    def halted(self) -> bool:
        """Whether the worker is forbidden to read."""
        return bool(self.slot.words[HALTED])

    def find(self, key: int) -> Connection | None:
        """The connection that the worker reads under a key, or has read before it was recalled."""
        return self.lent.get(key) or self.coming.get(key)

    def stop(self, key: int) -> None:
        """The worker hears no more of a connection; what it has heard it goes on with."""
        if key in self.lent:
            self._unregister(key)
            self.coming[key] = self.lent.pop(key)

    def forget(self, key: int) -> Connection | None:
        """A connection is nobody's but the dispatcher's."""
        self.read.pop(key, None)
        connection = self.lent.pop(key, None)
        return connection or self.coming.pop(key, None)

    def release(self, key: int) -> Connection | None:
        """A connection goes back, by its worker's own word."""
        if key in self.lent:
            self._unregister(key)
        return self.forget(key)

    def recall(self, keys: list[int]) -> None:
        """Have the worker let connections go."""
        self.unsaid += keys
        self.say()

    def say(self) -> None:
        """Recall what has not been recalled, for want of room or because the worker has enough of that to answer."""
        if not self.unsaid or len(self.recalled) >= MOST_SAID:
            return
        try:
            send(self.wire, pack_recall(self.unsaid), (), DONTWAIT)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.ENOBUFS}:
                self.unsaid = []  # it is dead
            return
        self.recalled.append(self.unsaid)
        self.unsaid = []

    def readable(self, most: int = -1) -> list[Connection]:
        """The connections with something to read that the worker did not wait for; `most` of them."""
        return [connection for key, _ in self.watch.poll(0, most) if (connection := self.lent.get(key))]

    def line(self, most: int = ENOUGH) -> int:
        """How many requests the worker has before it, `most` of them, with the one that it is inside."""
        return (len(self.watch.poll(0, most)) if self.lent else 0) + (self.inside() is not None)

    def forgotten(self) -> bool:
        """Whether there is something to read that nobody was told of: the worker was, and has been stopped since. Of what was
        recalled nobody is told before it has answered.
        """
        poll = select.poll()
        for key in (*self.lent, *self.coming):
            poll.register(key, select.POLLIN)
        return bool(poll.poll(0))

    def inside(self) -> Progress | None:
        """What the worker has done about the request that it is inside; None where it is in none."""
        progress = self.slot.progress()
        return progress if progress.state in INSIDE else None

    def lingers(self, now: float) -> bool:
        """Whether the worker has been inside a request for longer than what stands behind one waits there."""
        return self.inside() is not None and now - self.slot.words[BEGUN_AT] / 1e9 > MOMENT

    def heard(self, number: int) -> None:
        """A request of that number has been told of: in memory sooner, perhaps, than one before it on the pair."""
        self.number = max(self.number, number)

    def last_heard(self, worker: Worker) -> int:  # noqa: ARG002 - as below
        """The number of the last request of a worker that it has told of."""
        return self.number

    def bytes_of(self, worker: Worker, size: int) -> bytes:  # noqa: ARG002 - a loop has places
        """So many bytes of what a worker has read last."""
        return self.memory[:size]

    def unaccounted(self, connection: Connection) -> int:
        """How many bytes a dead worker has read of a connection without a word."""
        try:
            return max(0, bytes_read(connection.socket) - self.read[connection.descriptor])
        except OSError:
            return 0

    def moves(self, now: float) -> float:
        """For how many seconds the worker has been seen at the same step of the same request."""
        word = self.slot.words[REQUEST]
        if word != self.word:
            self.word, self.moved_at = word, now
        return now - self.moved_at

    def collect(self) -> list[Receipt]:
        """The receipts that have come. Raises struct.error for what is none."""
        return [receipt for piece in self.till.take() for receipt in unpack_receipts(piece)]

    def close(self) -> None:
        """Let go of everything."""
        self.close_shared()
        self.epoll.close()
        self.watch.close()
        self.till.words.release()
        self.memory.close()

    def _register(self, key: int) -> None:
        for epoll in (self.epoll, self.watch):  # ours behind the other one: so the kernel asks it second
            try:
                epoll.register(key, LENT)
            except OSError:
                self.faulty = True

    def _unregister(self, key: int) -> None:
        for epoll in (self.epoll, self.watch):
            try:
                epoll.unregister(key)
            except OSError:
                self.faulty = True
