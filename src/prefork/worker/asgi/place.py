"""One place of a worker: its pair with the dispatcher, its slot, and the request that it has.

The steps of a request are those of `worker/http.py`, in the same words of the slot; only that others go on meanwhile. An answer
ends when the application has sent it; where that goes on working, its client need not wait, and the place is not free yet.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, Callable

from prefork.lending import LOANED, TERMS, pack_declined
from prefork.messages import (
    BROKEN,
    BUSY,
    CLOEXEC_DONTWAIT,
    GONE,
    KEEP,
    KEPT,
    LOG,
    WORN,
    Inflow,
    Truncated,
    pack_ending,
    pack_free,
    pack_missed,
    receive,
    unpack_assignment,
    unpack_gone,
)
from prefork.scoreboard import ALLOWED, BEGUN, BEGUN_AT, DONE, RECEIVED, REQUEST, REQUESTS, WRITING, pack_progress
from prefork.worker.asgi.backlog import Backlog
from prefork.worker.asgi.call import Call, is_of_leaving
from prefork.worker.asgi.scope import http_scope
from prefork.worker.asgi.stopwatch import Stopwatch
from prefork.worker.asgi.upload import Upload
from prefork.worker.client import given_client
from prefork.worker.offload import Offloading
from prefork.worker.offspring import family
from prefork.worker.output import complain
from prefork.worker.reply import Reply
from prefork.worker.sorry import give_up
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.asgi.borrowing import Seat
    from prefork.worker.asgi.shared import Shared

SOON = 100_000_000  # nanoseconds in which a request from a loan may end without a word
RIGHTS = socket.CMSG_SPACE(12)  # the client's socket and the file of a large body; or the three of the terms


class Place:
    """`left` is called when the dispatcher has closed the pair and nothing is left to do."""

    def __init__(self, shared: Shared, pair: socket.socket, slot: Slot, left: Callable[[], None]) -> None:
        self.shared = shared
        self.pair = pair
        self.slot = slot
        self.words = slot.words
        self.offload = shared.means.offload
        self.left = left
        self.waits = Stopwatch()
        self.rest = Backlog(shared.loop, pair, slot, shared.means.spool, shared.means.spool_max, self.waits)
        self.served = 0
        self.begun_at = 0  # monotonic nanoseconds
        self.call: Call | None = None  # whose task has not ended
        self.client: socket.SocketType | None = None
        self.task: asyncio.Task[None] | None = None
        self.handshake: Request | None = None  # of a WebSocket, and not answered yet
        self.seat: Seat | None = None  # of the last request that was read from a loan
        self.settled = True  # else its application has yet to take its first step
        self.hears = True
        shared.loop.add_reader(pair.fileno(), self.hear)

    @property
    def free(self) -> bool:
        """Whether a request could begin here."""
        return self.call is None and self.handshake is None and self.hears and not self.rest.unsaid

    def hear(self) -> None:
        """The dispatcher has something for this place, or has closed the pair."""
        try:
            message, descriptors = receive(self.pair, self.shared.buffer, CLOEXEC_DONTWAIT, RIGHTS)
        except BlockingIOError:
            return
        except Truncated as lost:
            self._miss(lost.message)
            return
        if not message:
            self._deafen()
        elif message == LOG:
            self.shared.means.output.switch(descriptors[0])
        elif message.startswith(GONE):
            # By now the place may have ended that one, and read another one from a loan.
            if self.call and self.call.request.number == unpack_gone(message):
                self.call.leave()
        elif message.startswith(TERMS):
            self.shared.agree(message, descriptors)
        else:
            request, early = unpack_assignment(message)
            if self.call:  # of a request that was read from a loan: another place has this one then
                for descriptor in descriptors:
                    os.close(descriptor)
                self._tell(pack_declined(request.number))
                return
            self.words[REQUEST] = pack_progress(request.number, RECEIVED)
            if early is None:
                self._begin(request, descriptors)
            else:
                self._greet(request, early, *descriptors)

    def _miss(self, message: bytes) -> None:
        """Something has come for which no descriptor was left. The log goes on in the file that it was, and nothing is lent."""
        if not message.startswith((LOG, TERMS)):
            self.shared.lack()
            self._tell(pack_missed(unpack_assignment(message)[0].number))

    def _deafen(self) -> None:
        self.shared.loop.remove_reader(self.pair.fileno())
        self.hears = False
        if self.shared.lodge:
            self.shared.lodge.leave()
        if self.task is None and self.handshake is None:
            self.left()

    def _greet(self, request: Request, early: bytes, descriptor: int) -> None:
        """A handshake, which is a request until it is answered. Its connection stays, as the lodge's."""
        self._note_begun(request)
        self.handshake = request
        lodge = self.shared.lodge = self.shared.lodge or self.shared.open_lodge()
        lodge.take(request, early, descriptor, self._greeted)

    def _greeted(self, status: int, sent: int) -> None:
        """A handshake is answered."""
        assert self.handshake
        number, self.handshake = self.handshake.number, None
        self.words[REQUEST] = pack_progress(number, DONE, status)
        self._count()
        self._tell(pack_ending(number, status, sent, 0, self._worn()))
        if not self.hears:
            self.left()

    def _begin(self, request: Request, descriptors: list[int]) -> None:
        self._call(request, given_client(descriptors[0]), descriptors[1] if request.body is None else -1)

    def begin_lent(self, request: Request, client: socket.SocketType, seat: Seat) -> None:
        """Answer a request that was read from a loan."""
        self.rest.owner = self.seat = seat
        self.settled = False
        self._call(request, client, -1)

    def _call(self, request: Request, client: socket.SocketType, file: int) -> None:
        """Call the application, whose first step is taken here."""
        self.client = client
        offload, rest, slot = self.offload, self.rest, self.slot
        reply = Offloading(request, client, rest, slot, offload) if offload else Reply(request, client, rest, slot)
        reply.gathers = True
        call = self.call = Call(request, file, reply, rest, self._answered)
        if request.inflow:
            call.upload = Upload(Inflow._make(request.inflow), request.body or b"", client, self.shared.watching(), self.waits)
        self._note_begun(request)
        task = self.shared.begin(self._run(call))
        if task.done():
            return
        self.task = task
        if not self.shared.eager:
            task.add_done_callback(self._look_whether_it_ran)
        if not self.rest.owner:
            self._go_on(call, task)

    def _note_begun(self, request: Request) -> None:
        # Without what the worker has used so far: that is of all its requests, and costs more to ask for than all other stamps.
        self.begun_at = self.words[BEGUN_AT] = now = time.monotonic_ns()
        self.words[REQUEST] = pack_progress(request.number, BEGUN)
        self.waits.lap(now)  # what the one before has waited is not its own

    def settle(self) -> None:
        """A request from a loan has had its first step, which may have been all."""
        self.settled = True
        if self.task and self.call:
            self._go_on(self.call, self.task)

    def disown(self) -> None:
        """The dispatcher is to know of a request from a loan, if it does not."""
        if self.rest.owner:
            try:
                self.rest.disown()
            except OSError:
                pass  # as in `_tell`

    def _go_on(self, call: Call, task: asyncio.Task[None]) -> None:
        """A request has not ended with its first step."""
        request = call.request
        task.set_name(f"{request.method} {request.target.decode('latin-1')} ({request.request_id})")
        if call.complete:
            self.let_client_go(call)

    async def _run(self, call: Call) -> None:
        """Have the application answer; whatever it raises ends with its request."""
        try:
            await self.shared.app(http_scope(call.request, self.shared.state, call.reply.tag), call.receive, call.send)
            call.returned()
        except BaseException as error:  # noqa: BLE001 - SystemExit in a view must not end the worker either
            self._fail(call, error)
        finally:
            self._end(call)

    def _look_whether_it_ran(self, task: asyncio.Task[None]) -> None:
        """A task that was cancelled before its first step has done nothing, and not even ended its request."""
        if self.task is task and self.call:
            self._fail(self.call, asyncio.CancelledError())
            self._end(self.call)

    def _fail(self, call: Call, error: BaseException) -> None:
        family.end(error)
        target = ascii(call.request.target.decode("latin-1"))[1:-1]
        gone = is_of_leaving(error) or (call.left and isinstance(error, asyncio.CancelledError))
        if not (call.expired or call.cut or gone):
            about = f"{call.request.method} {target} ({call.request.request_id})"
            complain(f"prefork: {about} raised in worker {os.getpid()}:\n{trace(error)}")
        if not call.complete:
            call.skip_rest()
            give_up(call.reply, 504 if call.expired else call.cut or 500)

    def _answered(self) -> None:
        if self.task and self.call and self.settled:  # else it is in its first step, and somebody looks after that
            self.shared.note_answered(self, self.call)

    def let_client_go(self, call: Call) -> None:
        """The answer is whole. Where the application still does something, its client need not wait for that."""
        if not call.closed:
            self.disown()
            self._close(call, BUSY)
            # Only now: until its ending is on its way, what the slot says decides about the client's request.
            self.words[REQUEST] = pack_progress(call.request.number, WRITING, call.reply.code, call.reply.keep)

    def _end(self, call: Call) -> None:
        self.task = self.call = None
        self.settled = True
        if not call.closed:
            self._close(call, 0)
        else:
            self.words[REQUEST] = pack_progress(call.request.number, DONE, call.reply.code, call.reply.keep)
            self._tell(pack_free(call.request.number))
        if not self.hears:
            self.left()

    def _close(self, call: Call, flags: int) -> None:
        """The answer has ended: let go of the client, and tell the dispatcher."""
        reply = call.reply
        call.close()
        self._count()
        reply.close()
        if reply.spilled:
            self.rest.close()
        assert self.client
        if self.rest.owner and self.seat and not self.seat.borrower.till.has_room():
            self.disown()
        if self.rest.owner:  # nothing of it was told: the receipt does
            self.rest.owner = None
            assert self.seat
            self.seat.account(call.request, reply, bool(self._worn()))
            return
        if self._keeps(call):
            flags |= KEPT
        else:
            self.client.close()
        flags |= (KEEP if reply.keep else 0) | self._worn() | (BROKEN if reply.failed else 0)
        # Processor time cannot be told apart among the requests of one loop. Not kept for one message about all of this turn: a
        # neighbour that blocks the loop would hold this connection up as well.
        self._tell(pack_ending(call.request.number, reply.code, reply.sent, 0, flags, reply.queries, reply.sql, reply.words))

    def _keeps(self, call: Call) -> bool:
        """Whether the client's socket stays here, because the dispatcher may lend the connection. That of a request that was read
        from a loan and took more than a step does not: what its client asks for next may take as long.
        """
        borrower, client, reply = self.shared.borrower, self.client, call.reply
        if borrower is None or client is None or not reply.keep or reply.spilled or call.request.number > LOANED:
            return False
        return borrower.keep(call.request, client)

    def _count(self) -> None:
        self.served += 1
        self.words[REQUESTS] = self.served

    def _worn(self) -> int:
        return WORN if next(self.shared.counted) >= self.shared.limit else 0

    def _tell(self, message: bytes) -> None:
        try:
            self.rest.tell(message)
        except OSError:
            pass  # the dispatcher has gone, its end of the pair will say so

    def look(self, now: int) -> None:
        """Cancel what has taken too long; a worker whose application does not heed that is killed for it.

        While it waits for its client, to send or to read something, no time passes for a request.
        """
        if self.call and self.call.upload:
            self.call.upload.look(now)
        if waited := self.waits.lap(now):
            self.begun_at += waited
            self.words[BEGUN_AT] = self.begun_at
        if self.rest.owner and now - self.begun_at > SOON:
            self.disown()
        allowed = self.words[ALLOWED] or self.shared.allowed
        if not 0 < allowed < now - self.begun_at:
            return
        if self.task and self.call and not self.call.expired:
            self.call.expired = True
            self._cancel(self.call.request, self.task, now)
        elif self.handshake and self.shared.lodge:
            request = self.handshake
            if task := self.shared.lodge.expire(request.number):
                self._cancel(request, task, now)

    def _cancel(self, request: Request, task: asyncio.Task[None], now: int) -> None:
        self.shared.expired(request, (now - self.begun_at) / 1e9, task)
        task.cancel()
