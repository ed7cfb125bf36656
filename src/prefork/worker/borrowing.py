"""Connections that the dispatcher has lent to this worker: their requests are read here, and answered without a message.

Only whole requests are served from a loan, and only what any worker would be given. Everything else goes back with the bytes that
were read. Requests are read into memory that the dispatcher sees too, so that none is lost with this process. One event is taken at
a time: so what the dispatcher takes out of the shared epoll while this worker is inside a request, it has not got.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import time
from select import POLLIN, poll  # now: what an application puts in their place later is not meant for us
from typing import TYPE_CHECKING, NamedTuple

from prefork.http.head import END_OF_HEAD, Head, Reader, Refused
from prefork.http.identity import NAME, Identity
from prefork.http.paths import Paths
from prefork.http.proxies import Proxies
from prefork.http.repertoire import Recurring, filled, form_of
from prefork.kernel import accept_barriers, await_any, await_bytes, since_received, unread, watch_as
from prefork.lending import (
    ASKS_REPLACEMENT,
    BACK,
    ENDS_BROKEN,
    HOME,
    LASTS,
    LOANED,
    LONGEST_METHOD,
    NEWS,
    OLD_HTTP,
    OWNED,
    RING,
    ROOM,
    Till,
    pack_receipt,
    pack_return,
    unpack_new,
    unpack_recall,
    unpack_terms,
)
from prefork.messages import DONTWAIT, Request, send
from prefork.scoreboard import BEGUN_AT, CAME_AT, DONE, HALTED, LOAN, NEXT_AT, RECEIVED, REQUEST, TAKEN, pack_progress
from prefork.worker.client import out_of_the_way
from prefork.worker.known import Known, KnownHeads, asked

if TYPE_CHECKING:
    from prefork.scoreboard import Slot
    from prefork.worker.reply import Reply

PAIR = -1  # the pair's key in the epoll; descriptors have theirs from zero on
GRAIN = 4_000_000  # nanoseconds: what the kernel's word about a wait is exact to
MOMENT = 1  # milliseconds that the dispatcher may take for what it is about to do
FOLLOWS = 1  # milliseconds within which the rest of a body has to come that is not to go back
FEW = 256  # a loan whose descriptor is below it leaves its application enough of those that select(2) knows


class Loan(NamedTuple):
    """A client's socket, the addresses at its ends, and the heads that are known of such a client: a proxy's say more."""

    client: socket.SocketType
    peer: tuple[str, int]
    local: tuple[str, int]
    heads: Recurring[Known]


class Borrower:
    """`loans` by their keys, those that the dispatcher may lend at any moment among them."""

    def __init__(self, pair: socket.socket, slot: Slot, epoll: int, memory: int) -> None:
        accept_barriers()
        self.pair = pair
        self.words = slot.words
        self.shared = mmap.mmap(memory, 0)
        watch_as(epoll, pair.fileno(), PAIR)
        self.epoll = select.epoll.fromfd(epoll)  # from here on nothing fails: until now the descriptors are the caller's
        os.close(memory)
        self.speaks = select.poll()
        self.speaks.register(pair.fileno(), select.POLLIN)
        self.memory = memoryview(self.shared)
        self.till = Till(self.shared)
        self.reader = Reader()
        self.loans: dict[int, Loan] = {}
        self.answered: dict[int, int] = {}  # when, by their keys (monotonic nanoseconds)
        self.count = 0  # requests read here
        self.size = 0  # bytes of the last one
        self.came = self.following = 0  # when the request came that was handed over last, and the next one (monotonic nanoseconds)
        self.idle_at = 0  # when there was nothing to read last (monotonic nanoseconds)
        self.waited = True  # whether there was, since the last request that `take` has returned
        self.asked = b""  # what logs tell of the present request, where its head is known
        self.owned: socket.SocketType | None = None  # of the last request that has become one that was handed over

    def descriptors(self) -> list[int]:
        """Those that loans are read by, and that of a client whose answer is no loan's any more."""
        clients = [loan.client.fileno() for loan in self.loans.values()]
        return [self.epoll.fileno(), *clients, self.owned.fileno() if self.owned else -1]

    def agree(self, message: bytes) -> None:
        """Serve on these terms from now on."""
        terms = unpack_terms(message)
        self.largest = min(terms.largest_head, ROOM - 1)
        self.largest_body = terms.largest_body
        self.identity = Identity(terms.prefix)
        self.elsewhere = Paths([terms.elsewhere]).find
        self.proxies = Proxies(terms.proxies) if terms.proxies is not None else None
        self.heads = KnownHeads(self.reader, self.proxies, self._is_for_others)
        for key, loan in self.loans.items():
            self.loans[key] = loan._replace(heads=self.heads.of(loan.peer))

    def given(self) -> None:
        """The worker has received what was handed over."""
        self.came, self.following = self.words[CAME_AT], self.words[NEXT_AT]

    def keep(self, request: Request, client: socket.SocketType) -> bool:
        """Keep a socket, where the dispatcher may lend its connection; False where it may not."""
        if request.loan is None:
            return False
        key, peer = request.loan
        self._have(key, client, peer, request.server, time.monotonic_ns())
        return True

    def have(self, message: bytes, client: socket.SocketType) -> None:
        """Have a new connection, whose first request is here."""
        key, peer, local, came = unpack_new(message)
        self._have(key, client, peer, local, came)

    def _have(self, key: int, client: socket.SocketType, peer: tuple[str, int], local: tuple[str, int], since: int) -> None:
        self._drop(key)
        if client.fileno() >= FEW:
            client = out_of_the_way(client)
        self.loans[key] = Loan(client, peer, local, self.heads.of(peer))
        self.answered[key] = since

    def recall(self, message: bytes) -> None:
        """Let connections go, and say so: none of them is read here any more."""
        for key in unpack_recall(message):
            self._drop(key)
        send(self.pair, bytes((HOME,)))

    def take(self) -> Request | None:
        """The next request from a loan, once there is one; None when the dispatcher has something to say, or nothing is on loan."""
        if not self.loans:
            self.waited = True
            return None  # who waits for a word reads it at once, without being told first that there is one
        while True:
            found = self.epoll.poll(0, 1)
            if not found:
                self.waited, self.idle_at = True, time.monotonic_ns()
                found = self.epoll.poll(-1, 1)
            key = found[0][0]
            if key == PAIR:
                return None
            loan = self.loans.get(key)
            if loan is None:  # it went back, and the dispatcher is about to take it out of the epoll
                if self.speaks.poll(MOMENT):
                    return None
            elif self.is_behind(key):
                return None
            elif (request := self._read(key, loan)) is not None:
                return request

    def is_behind(self, key: int) -> bool:
        """Whether a request is handed over, or is about to be, that is older than what has come on a loan: which is no older than
        the answer before it. Its turn is first, for else each that waits there would wait for all that is on loan here.
        """
        came, following = self.words[CAME_AT], self.following
        if came != self.came:
            return came < self.answered[key] and bool(self.speaks.poll(0))
        self.following = 0
        return 0 < following < self.answered[key] and bool(self.speaks.poll(MOMENT))

    def client(self, request: Request) -> socket.SocketType:
        """The socket of a request that `take` has returned."""
        assert request.loan
        return self.loans[request.loan[0]].client

    def account(self, request: Request, reply: Reply, cpu: int, worn: bool) -> None:
        """Leave a receipt for a request that `take` has returned. An end that was not the usual one is told at once."""
        assert request.loan
        assert request.body is not None
        now, began, key = time.monotonic_ns(), self.words[BEGUN_AT], request.loan[0]
        flags = (LASTS if reply.keep else 0) | (ENDS_BROKEN if reply.failed else 0) | (ASKS_REPLACEMENT if worn else 0)
        self.leave(
            pack_receipt(
                flags if request.version == "1.1" else flags | OLD_HTTP,
                reply.code,
                key,
                self.size + request.length - len(request.body),
                request.number,
                self._waited(key, began, now),
                began,
                now - began,
                reply.sent,
                cpu,
                reply.queries,
                reply.sql,
                request.client[0].encode(),
                b"" if request.request_id == self.identity.numbered(request.number - LOANED) else request.request_id.encode(),
                reply.words,
                self.asked or asked(request.method, request.target, request.headers),
            )
        )
        self.answered[key], self.waited = now, False
        if not reply.keep:
            self.let_go(key, broken=reply.failed)
        if flags & ~LASTS:
            send(self.pair, bytes((NEWS,)))

    def let_go(self, key: int, broken: bool) -> None:
        """The last answer of a connection is out: its client hears so at once. One that is `broken` the dispatcher resets."""
        if not broken:
            try:
                self.loans[key].client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # its client has left
        self._drop(key)

    def owning(self) -> bytes:
        """What makes the present request one that was handed over, for the dispatcher. Its connection goes back with it."""
        key = self.words[LOAN]
        self.owned = self.loans.pop(key).client
        return pack_return(OWNED, key, LOANED + self.count, self.memory[: self.size].tobytes())

    def _read(self, key: int, loan: Loan) -> Request | None:
        """Read what has arrived; None when it was no request to be answered here."""
        number, size = LOANED + self.count + 1, self.read(key, loan)
        return None if size < 0 else self.received(key, loan, number, size)

    def read(self, key: int, loan: Loan) -> int:
        """Read into the memory what has arrived, and note that in the slot, for the request after those that are counted.

        Returns how many bytes; below zero where there is nothing, or where nothing may be read.
        """
        words = self.words
        before = words[REQUEST]
        words[TAKEN] = 0
        words[LOAN] = key
        words[REQUEST] = pack_progress(LOANED + self.count + 1, RECEIVED)
        if words[HALTED]:
            words[REQUEST] = before
            self.speaks.poll(MOMENT)
            return -1
        try:
            size = loan.client.recv_into(self.memory, ROOM, DONTWAIT)
        except BlockingIOError:
            words[REQUEST] = before
            return -1
        except OSError:
            size = 0
        words[TAKEN] = size
        return size

    def received(self, key: int, loan: Loan, number: int, size: int) -> Request | None:
        """What has been read, and noted in the slot, as a request; None when it was none to be answered here."""
        self.size = size
        self.count += 1
        data = self.memory[:size].tobytes()
        request = self.understand(key, loan, data, number)
        if request is None:
            send(self.pair, pack_return(BACK, key, number, data))
            self.words[REQUEST] = pack_progress(number, DONE)
            self._drop(key)
        return request

    def understand(self, key: int, loan: Loan, data: bytes, number: int) -> Request | None:
        """The request, if it is a whole one, nothing follows it, and any worker would be given it. The rest of its body may be in
        its client's socket.
        """
        end = data.find(END_OF_HEAD) + 4
        if not 4 <= end <= self.largest:
            return None
        first = data[:end]
        form, values = form_of(first)
        known = loan.heads.kept.get(form) or self.heads.learn(first, form, values, loan.peer)
        client, scheme, memo, self.asked = loan.peer, "http", None, b""
        if known is not None:
            head, self.asked, memo, headers, scheme, places, chain, name = known
            headers = filled(headers, places, values)
            if chain >= 0:
                client = self.heads.client(values[chain], client)
            if name >= 0:
                request_id = values[name].decode()
            else:
                request_id = self.identity.numbered(number - LOANED)
                headers.append((NAME, request_id.encode()))
        else:
            try:
                head = self.reader.read(first)
            except Refused:
                return None
            if self._is_for_others(head):
                return None
            headers = head.headers
            if self.proxies:
                client, scheme, headers = self.proxies.origin(client, headers)
            self.identity.made = number - LOANED - 1
            request_id = self.identity.of(headers)
        if head.length is None or (end + head.length != len(data) and not self._follows(loan.client, head, end, len(data))):
            return None
        return Request(
            number, 1, head.method, head.target, head.version, headers, data[end:], head.length, client, loan.local, scheme,
            head.keep, request_id, (key, loan.peer), None, memo,
        )  # fmt: skip

    def _follows(self, client: socket.SocketType, head: Head, end: int, size: int) -> bool:
        """Whether the rest of a body comes at once, where it is one of many bytes that come fast. It stays in the socket: if this
        process dies, it is read there by another one.
        """
        assert head.length is not None
        left = end + head.length - size
        if size < ROOM or left < 0 or head.length > self.largest_body or head.expects:
            return False
        try:
            if unread(client) < left and await_bytes(client, left):
                room = poll()
                room.register(client, POLLIN)
                room.poll(FOLLOWS)
            await_any(client)
            return unread(client) >= left
        except OSError:
            return False

    def _is_for_others(self, head: Head) -> bool:
        if self.elsewhere(head.target) is not None or len(head.method) > LONGEST_METHOD:
            return True
        return any(name == b"upgrade" for name, _ in head.headers)

    def _waited(self, key: int, began: int, now: int) -> int:
        """How long a request has waited, as far as can be told: for its client has been answered before, and there was a time when
        nothing waited. The kernel knows how long ago it came in steps of some milliseconds.
        """
        most = began - max(self.answered[key], self.idle_at)
        if most > GRAIN:
            most = min(most, since_received(self.loans[key].client) - (now - began))
        return max(0, most)

    def leave(self, record: bytes) -> None:
        """Leave a receipt where the dispatcher finds it."""
        there = self.till.put(record)
        if there - len(record) <= RING // 2 < there:
            send(self.pair, bytes((NEWS,)))

    def _drop(self, key: int) -> None:
        loan = self.loans.pop(key, None)
        if loan:
            loan.client.close()
