"""The body of an HTTP worker: one request at a time, from the pair to the client and back to idle.

Everything about a request happens in `Desk`, top to bottom: begin, call, respond, end. The slot is written at each step, because
it is what others read when this process is gone.
"""

from __future__ import annotations

import io
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from prefork.lending import ABLE, NEW, RECALL, TERMS, pack_declined
from prefork.messages import BROKEN, KEEP, KEPT, LOG, WORN, inbox, pack_ending, receive, send, unpack_request
from prefork.scoreboard import RECEIVED, REQUEST, REQUESTS, REVOKED, pack_progress
from prefork.worker.client import given_client
from prefork.worker.offload import Offloading
from prefork.worker.offspring import family
from prefork.worker.output import Output, complain
from prefork.worker.reply import Reply
from prefork.worker.rest import Rest
from prefork.worker.sorry import give_up
from prefork.worker.stamps import Stamps
from prefork.worker.traces import trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Callable

    from prefork.messages import Request
    from prefork.scoreboard import Slot
    from prefork.worker.app import Host
    from prefork.worker.borrowing import Borrower
    from prefork.worker.offload import Offload
    from prefork.worker.shortcut import Shortcut

WAITALL = int(socket.MSG_WAITALL)
RIGHTS = socket.CMSG_SPACE(12)  # the client's socket and the file of a large body; or the three of the terms


class Means(NamedTuple):
    """What answers can be made with.

    `spool` is the directory (a descriptor) for what clients do not read, `spool_max` how many bytes of one answer may be there;
    `output` is where the application prints to, `offload` is set where it may name files, `borrow` where this interpreter can read
    requests itself, and `shortcut` where the commonest of them are answered in one go.
    """

    spool: int
    spool_max: int
    output: Output
    offload: Offload | None = None
    borrow: type[Borrower] | None = None
    shortcut: type[Shortcut] | None = None


class Desk:
    """Where a worker answers: one request at a time, whoever has read it. After `limit` of them each asks for a replacement.

    `counted` numbers the requests of the whole process from 1, `clock` tells the processor time spent in nanoseconds: both are of
    the process, or in threaded mode shared by its threads and the thread's own.
    """

    def __init__(
        self,
        pair: socket.socket,
        slot: Slot,
        host: Host,
        means: Means,
        limit: int,
        counted: Iterator[int],
        clock: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self.pair = pair
        self.slot = slot
        self.words = slot.words
        self.host = host
        self.means = means
        self.limit = limit
        self.counted = counted
        self.clock = clock
        self.client: socket.SocketType | None = None  # of the last request that was handed over
        self.served = 0
        self.spent = 0  # processor time until the last answer, in nanoseconds
        self.rest = Rest(pair, slot, means.spool, means.spool_max)
        self.stamps = Stamps(slot, clock)

    def answer(self, request: Request, client: socket.SocketType, body: BinaryIO | None, spent: int = 0) -> tuple[Reply, int]:
        """Have a request answered; returns the reply, and the processor time it took in nanoseconds. `spent` is what there was
        before, where that is known. Without a `body`, the rest of it is in the client's socket.
        """
        offload, slot, rest = self.means.offload, self.slot, self.rest
        reply = Offloading(request, client, rest, slot, offload) if offload else Reply(request, client, rest, slot)
        before = self.stamps.begin(request.number, spent)
        if body is None:
            body = fetched(request, client)
        if body is None:
            give_up(reply, 400)
        else:
            answer(self.host, request, body, reply)
            body.close()
        return reply, self.ended(reply) - before

    def ended(self, reply: Reply) -> int:
        """An answer has ended; returns the processor time until now, in nanoseconds."""
        self.served += 1
        self.words[REQUESTS] = self.served
        reply.close()
        self.rest.close()
        self.spent = self.clock()
        return self.spent

    def worn(self) -> bool:
        """Whether the request that was just answered asks for a replacement."""
        return next(self.counted) >= self.limit

    def answer_given(self, request: Request, descriptors: list[int], borrower: Borrower | None) -> None:
        """Answer a request that the dispatcher has handed over, and say that it has ended. Raises OSError when nobody hears it."""
        self.words[REQUEST] = pack_progress(request.number, RECEIVED)
        client = self.client = given_client(descriptors[0])
        self.rest.owner = None
        reply, cpu = self.answer(request, client, None if request.inflow else given_body(request, descriptors))
        kept = borrower is not None and reply.keep and not reply.spilled and borrower.keep(request, client)
        if not kept:
            client.close()
        self.end(request, reply, cpu, KEPT if kept else 0)

    def descriptors(self) -> list[int]:
        """Those of the client that it has, unless that is on loan."""
        return [self.client.fileno()] if self.client else []

    def end(self, request: Request, reply: Reply, cpu: int, flags: int = 0) -> None:
        """Tell the dispatcher that a request has ended. Raises OSError when nobody hears it."""
        flags |= (KEEP if reply.keep else 0) | (WORN if self.worn() else 0) | (BROKEN if reply.failed else 0)
        send(self.pair, pack_ending(request.number, reply.code, reply.sent, cpu, flags, reply.queries, reply.sql, reply.words))

    def answer_lent(self, request: Request, borrower: Borrower) -> None:
        """Answer a request that was read from a loan, and leave its receipt."""
        self.rest.owner = borrower
        assert request.body is not None
        # Where nothing was waited for in between, what was spent since the last answer was for reading this request.
        spent = 0 if borrower.waited else self.spent
        body = io.BytesIO(request.body) if len(request.body) == request.length else None
        reply, cpu = self.answer(request, borrower.client(request), body, spent)
        self.settle(request, reply, cpu, borrower)

    def settle(self, request: Request, reply: Reply, cpu: int, borrower: Borrower) -> None:
        """Leave the receipt of a request that was read from a loan, and has been answered."""
        if self.rest.owner and not borrower.till.has_room():
            # Said on the pair a receipt could be overtaken by others of its connection. That goes back with the request instead.
            self.rest.disown()
        if self.rest.owner:
            borrower.account(request, reply, cpu, self.worn())
        else:
            reply.client.close()
            self.end(request, reply, cpu)  # the dispatcher has been told of it, and hears of its end behind the rest of its answer


def serve(desk: Desk) -> None:
    """Answer requests until the dispatcher closes the pair. To a child of the application's it seems closed."""
    family.withhold(desk.descriptors)
    try:
        serve_on(desk)
    finally:
        family.end()


def serve_on(desk: Desk) -> None:
    """Answer requests until there is an end of the pair."""
    pair, words = desk.pair, desk.words
    borrower: Borrower | None = None
    reader: Borrower | Shortcut | None = None
    buffer = inbox()
    pair.settimeout(None)  # an application's socket.setdefaulttimeout() is not meant for us
    while True:
        try:
            if borrower and reader and (lent := reader.take()) is not None:
                desk.answer_lent(lent, borrower)
                continue
            message, descriptors = receive(pair, buffer, space=RIGHTS)
            if not message:
                return
            if message == LOG:
                desk.means.output.switch(descriptors[0])
            elif message.startswith(TERMS):
                borrower = agreed(borrower, desk, message, descriptors)
                reader = reader_of(borrower, desk) if borrower else None
            elif borrower and message.startswith(NEW):
                borrower.have(message, given_client(descriptors[0]))
            elif borrower and message.startswith(RECALL):
                borrower.recall(message)
            else:
                request = unpack_request(message)
                if borrower:
                    borrower.given()
                if borrower and words[REVOKED] >= request.number:
                    decline(pair, request, descriptors)
                else:
                    desk.answer_given(request, descriptors, borrower)
        except ConnectionError:
            return


def agreed(borrower: Borrower | None, desk: Desk, message: bytes, descriptors: list[int]) -> Borrower | None:
    """Who reads loans, on the terms of a message; nobody where this interpreter has no parser for it."""
    try:
        if borrower is None and desk.means.borrow and descriptors:  # they come once
            borrower = desk.means.borrow(desk.pair, desk.slot, *descriptors)
            family.withhold(borrower.descriptors, borrower.shared)
            send(desk.pair, bytes((ABLE,)))
    except OSError:  # the kernel lacks something
        pass
    if borrower is None:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    borrower.agree(message)
    return borrower


def reader_of(borrower: Borrower, desk: Desk) -> Borrower | Shortcut:
    """Who takes requests from loans: the shortcut, where the host does no more than call its application."""
    means, application = desk.means, desk.host.direct
    if means.shortcut and application and not means.offload:
        return means.shortcut(borrower, desk, application)
    return borrower


def decline(pair: socket.socket, request: Request, descriptors: list[int]) -> None:
    """Leave a request to the worker that has it by now."""
    for descriptor in descriptors:
        os.close(descriptor)
    send(pair, pack_declined(request.number))


def given_body(request: Request, descriptors: list[int]) -> BinaryIO:
    """A body that has come with its request: in the message, or in a file."""
    return io.BytesIO(request.body) if request.body is not None else open(descriptors[1], "rb")


def fetched(request: Request, client: socket.SocketType) -> BinaryIO | None:
    """A body whose rest is in its client's socket; None where the client has reset the connection, and the rest with it.

    Exactly that is read, because another request may follow.
    """
    assert request.body is not None
    body, size = io.BytesIO(bytes(request.length)), len(request.body)
    with body.getbuffer() as room:
        room[:size] = request.body
        try:
            whole = client.recv_into(room[size:], 0, WAITALL) == request.length - size
        except OSError:
            whole = False
    return body if whole else None


def answer(host: Host, request: Request, body: BinaryIO, reply: Reply) -> None:
    """Have the application answer; whatever it raises ends with its request."""
    try:
        host.respond(request, body, reply)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a view must not end the worker either
        fail(request, reply, error)


def fail(request: Request, reply: Reply, error: BaseException) -> None:
    """End an answer whose application has raised something."""
    family.end(error)
    target = ascii(request.target.decode("latin-1"))[1:-1]
    complain(f"prefork: {request.method} {target} ({request.request_id}) raised in worker {os.getpid()}:\n{trace(error)}")
    give_up(reply, 500)
