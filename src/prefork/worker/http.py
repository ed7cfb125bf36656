"""The body of an HTTP worker: one request at a time, from the pair to the client and back to idle.

Everything about a request happens in `serve` and `answer`, top to bottom: receive, begin, call, respond, end. The slot is written
at each step, because it is what others read when this process is gone.
"""

from __future__ import annotations

import io
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from prefork.messages import BROKEN, KEEP, LOG, WORN, inbox, pack_ending, receive, send, unpack_request
from prefork.scoreboard import RECEIVED, REQUEST, REQUESTS, pack_progress
from prefork.worker.offload import Offloading
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
    from prefork.worker.offload import Offload

TWO_RIGHTS = socket.CMSG_SPACE(8)  # the client's socket, and the file of a large body


class Means(NamedTuple):
    """What answers can be made with.

    `spool` is the directory (a descriptor) for what clients do not read, `spool_max` how many bytes of one answer may be there;
    `output` is where the application prints to, `offload` is set where it may name files.
    """

    spool: int
    spool_max: int
    output: Output
    offload: Offload | None = None


def serve(
    pair: socket.socket,
    slot: Slot,
    host: Host,
    means: Means,
    limit: int,
    counted: Iterator[int],
    clock: Callable[[], int] = time.process_time_ns,
) -> None:
    """Answer requests until the dispatcher closes the pair. After `limit` of them each ending asks for a replacement.

    `counted` numbers the requests of the whole process from 1, `clock` tells the processor time spent in nanoseconds: both are of
    the process, or in threaded mode shared by its threads and the thread's own.
    """
    served = 0
    rest = Rest(pair, slot, means.spool, means.spool_max)
    stamps = Stamps(slot, clock)
    buffer = inbox()
    pair.settimeout(None)  # an application's socket.setdefaulttimeout() is not meant for us
    while True:
        try:
            message, descriptors = receive(pair, buffer, space=TWO_RIGHTS)
        except ConnectionError:
            return
        if not message:
            return
        if message == LOG:
            means.output.switch(descriptors[0])
            continue
        request = unpack_request(message)
        slot.words[REQUEST] = pack_progress(request.number, RECEIVED)
        # Family and type are given because finding them out costs two system calls; only send is ever called, so the class
        # of C will do, which is made in a third of the time.
        client = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptors[0])
        if client.gettimeout() is not None:
            client.settimeout(None)  # as above: sends say MSG_DONTWAIT, and a timeout would wait for a slow reader all the same
        body = io.BytesIO(request.body) if request.body is not None else open(descriptors[1], "rb")  # noqa: SIM115 - closed below
        offload = means.offload
        reply = Offloading(request, client, rest, slot, offload) if offload else Reply(request, client, rest, slot)
        before = stamps.begin(request.number)
        answer(host, request, body, reply)
        body.close()
        served += 1
        slot.words[REQUESTS] = served
        reply.close()
        rest.close()
        client.close()
        flags = (KEEP if reply.keep else 0) | (WORN if next(counted) >= limit else 0) | (BROKEN if reply.failed else 0)
        try:
            ending = pack_ending(
                request.number, reply.code, reply.sent, clock() - before, flags, reply.queries, reply.sql, reply.words
            )
            send(pair, ending)
        except OSError:
            return


def answer(host: Host, request: Request, body: BinaryIO, reply: Reply) -> None:
    """Have the application answer; whatever it raises ends with its request."""
    try:
        host.respond(request, body, reply)
    except BaseException as error:  # noqa: BLE001 - SystemExit in a view must not end the worker either
        target = ascii(request.target.decode("latin-1"))[1:-1]
        complain(f"prefork: {request.method} {target} ({request.request_id}) raised in worker {os.getpid()}:\n{trace(error)}")
        give_up(reply, 500)
