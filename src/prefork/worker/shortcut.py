"""The commonest request on a loan, from its client's socket to its receipt: a head that is known, and a WSGI application that
returns its whole answer as one part.

It goes the way of `Borrower.take` and `Desk.answer_lent`, with the same stores into the slot in the same order, and makes few
objects but those that the application sees. Whatever is not so common goes on there from the point where it shows. Compiled code
has the same in C (`shortcut.pyx`).
"""

from __future__ import annotations

import sys
import time
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from prefork.http.framing import date_line
from prefork.http.head import END_OF_HEAD
from prefork.kernel import since_received
from prefork.lending import ASKS_REPLACEMENT, LASTS, LOANED, NEWS, pack_receipt
from prefork.messages import DONTWAIT, DONTWAIT_MORE, send
from prefork.scoreboard import (
    BEGUN,
    BEGUN_AT,
    CAME_AT,
    CPU_AT,
    DONE,
    REQUEST,
    REQUESTS,
    RESIDENT_AT,
    SIZE,
    WRITING,
    pack_progress,
)
from prefork.worker.borrowing import GRAIN, MOMENT, PAIR
from prefork.worker.hosts.wsgi import Call, respond
from prefork.worker.http import fail
from prefork.worker.prepared import End, ready_for
from prefork.worker.reply import JOINED, Reply
from prefork.worker.stamps import RESIDENT_EVERY, resident

if TYPE_CHECKING:
    import socket
    from typing import Callable

    from prefork.messages import Request
    from prefork.worker.borrowing import Borrower, Loan
    from prefork.worker.http import Desk
    from prefork.worker.prepared import Ready

LONG_WAY, SENT, REST = range(3)  # how an answer goes: not here, whole, or its beginning
ALL_THERE = list, tuple
WHOLE: Final = pack_progress(0, WRITING, 0, False, True)
KEEP: Final = pack_progress(0, 0, 0, True)
# What a call is to its application when its answer is out: an error where it begins another one, and what it writes nobody gets.
OUT = Call(SimpleNamespace(begun=True, write=lambda _: None))  # type: ignore[arg-type]
OUT.given = ("", [])


class Turn:
    """One call of the application: what it has said through start_response and of itself, and what was sent.

    `call` is the same call on the long way, once that is taken. `code` is the status once all of the answer is on its way: whatever
    the application says of it from then on is too late.
    """

    __slots__ = ("call", "code", "data", "headers", "keep", "key", "number", "sent", "shortcut", "status", "tagged")

    def __init__(self, shortcut: Shortcut, key: int, number: int, data: bytes) -> None:
        self.shortcut = shortcut
        self.key = key
        self.number = number
        self.data = data
        self.status: Any = None
        self.headers: Any = None
        self.call: Call | None = None
        self.code = self.sent = 0
        self.keep = False
        self.tagged = b""

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        """As that of `wsgi.Call`."""
        if self.call is None and self.status is None and exc_info is None:
            self.status, self.headers = status, headers
            return self.write
        return self.general().start_response(status, headers, exc_info)

    def write(self, data: bytes) -> None:
        """As that of `wsgi.Call`."""
        self.general().write(data)

    def tag(self, text: str) -> None:
        """As that of `Reply`."""
        if self.call is not None:
            self.call.reply.tag(text)
        else:
            self.tagged = self.shortcut.desk.slot.set_tag(self.number, text)

    def general(self) -> Call:
        """The same call on the long way."""
        if self.code:
            return OUT
        if self.call is None:
            self.call = self.shortcut.call(self)
        return self.call

    def take_up(self, length: int) -> Reply:
        """The answer on the long way, which has begun here, of a body of this length."""
        reply = self.general().reply
        reply.take_up(self.status, self.headers, length)
        return reply


class Shortcut:
    """Its `take` stands in the place of the borrower's: what is common is answered by the time it returns.

    `application` is called as PEP 3333 says, and its host does nothing around it.
    """

    def __init__(self, borrower: Borrower, desk: Desk, application: Callable[..., Any]) -> None:
        self.borrower, self.desk, self.application = borrower, desk, application
        self.words = borrower.words
        self.ends: dict[int, End] = {}  # by the keys of their connections
        self.weighed = 0

    def take(self) -> Request | None:
        """The next request that goes the long way, once there is one; None as of a borrower."""
        borrower = self.borrower
        loans, poll, words = borrower.loans, borrower.epoll.poll, self.words
        if not loans:
            borrower.waited = True
            return None
        while True:
            found = poll(0, 1)
            if not found:
                borrower.waited, borrower.idle_at = True, time.monotonic_ns()
                found = poll(-1, 1)
            key = found[0][0]
            if key == PAIR:
                return None
            loan = loans.get(key)
            if loan is None:  # as for a borrower
                if borrower.speaks.poll(MOMENT):
                    return None
            elif (words[CAME_AT] != borrower.came or borrower.following) and borrower.is_behind(key):
                return None
            elif (request := self._read(key, loan)) is not None:
                return request

    def _read(self, key: int, loan: Loan) -> Request | None:
        """Read what has arrived, and answer it; a request that goes the long way is returned."""
        borrower = self.borrower
        number, size = LOANED + borrower.count + 1, borrower.read(key, loan)
        if size < 0:
            return None
        data = borrower.memory[:size].tobytes()
        head = data.find(END_OF_HEAD) + 4
        ready, values = ready_for(loan, data[:head]) if head <= borrower.largest else (None, [])
        if ready is None or ready.length != size - head or not borrower.till.has_room():
            return borrower.received(key, loan, number, size)
        borrower.count += 1
        end = self.ends.get(key)
        if end is None or end.loan is not loan:
            if len(self.ends) > 2 * len(borrower.loans):  # most of them have gone back
                self.ends.clear()
            end = self.ends[key] = End(loan)
        self._answer(Turn(self, key, number, data), data[head:], end, ready, values)
        return None

    def _answer(self, turn: Turn, body: bytes, end: End, ready: Ready, values: list[bytes]) -> None:
        """Have the application answer, in the steps of `Desk.answer`."""
        borrower, desk, words = self.borrower, self.desk, self.words
        surroundings, client = end.environ_for(ready), end.client
        if values:
            client = self._fill(surroundings, ready, values) or client
        if ready.name < 0:
            name, given_name = f"{borrower.identity.prefix}-{turn.number - LOANED}", b""
        else:
            given_name = values[ready.name]
            name = given_name.decode()
        surroundings["HTTP_X_REQUEST_ID"] = name
        surroundings["wsgi.input"] = BytesIO(body)
        surroundings["wsgi.errors"] = sys.stderr
        surroundings["prefork.tag"] = turn.tag
        began = time.monotonic_ns()
        if began - self.weighed > RESIDENT_EVERY:
            self.weighed = began
            words[RESIDENT_AT] = resident()
        # Where nothing was waited for in between, what was spent since the last answer was for reading this request.
        words[CPU_AT] = spent = (0 if borrower.waited else desk.spent) or desk.clock()
        words[BEGUN_AT] = began
        words[REQUEST] = turn.number << 16 | BEGUN
        try:
            result = self.application(surroundings, turn.start_response)
            way = self._send(turn, end.loan.client, ready, result, name)
            if way == LONG_WAY:
                respond(result, turn.general())
        except BaseException as error:  # noqa: BLE001 - as in `http.answer`
            reply = turn.general().reply
            fail(reply.request, reply, error)
            way = LONG_WAY
        if way == SENT:
            self._account(turn, end, ready, began, spent, client, given_name)
        else:
            reply = turn.general().reply
            desk.settle(reply.request, reply, desk.ended(reply) - spent, borrower)

    def _fill(self, surroundings: dict[str, Any], ready: Ready, values: list[bytes]) -> bytes:
        """Fill in what a proxy has said; returns the address of the client that it speaks of, if it speaks of one."""
        for key, value in zip(ready.keys, values):
            if key is not None:
                surroundings[key] = value.decode()
        clients = self.borrower.heads.clients
        if ready.chain < 0 or not clients or not (client := clients(values[ready.chain].decode())):
            return b""
        surroundings["REMOTE_ADDR"], surroundings["REMOTE_PORT"] = client, "0"
        return client.encode()

    def call(self, turn: Turn) -> Call:
        """A turn as a call that goes the long way, by a request as it would have been read there."""
        borrower, loan = self.borrower, self.borrower.loans[turn.key]
        request = borrower.understand(turn.key, loan, turn.data, turn.number)
        assert request
        borrower.size = len(turn.data)
        self.desk.rest.owner = borrower
        call = Call(Reply(request, loan.client, self.desk.rest, self.desk.slot))
        call.reply.words = turn.tagged
        if turn.status is not None:
            call.given = turn.status, turn.headers
        return call

    def _send(self, turn: Turn, client: socket.SocketType, ready: Ready, result: Any, name: str) -> int:
        """Send what an application has returned, where that is one part of bytes. Returns how."""
        headers = turn.headers
        if turn.call is not None or type(result) not in ALL_THERE or len(result) != 1 or type(headers) is not list:
            return LONG_WAY
        body = result[0]
        if type(body) is not bytes:
            return LONG_WAY
        length = len(body)
        try:
            head = ready.framed(turn.status, tuple(headers), length)
        except (TypeError, ValueError):  # as there
            return LONG_WAY
        if head.chunked or head.dated or head.named or head.left != length:
            return LONG_WAY
        lines = b"%b%bX-Request-ID: %b\r\n\r\n" % (head.start, date_line(), name.encode())
        parts = (lines + body,) if length <= JOINED else (lines, body)
        size = len(lines) + length
        turn.keep = head.keep
        self.words[SIZE] = size
        self.words[REQUEST] = turn.number << 16 | head.code << 5 | (KEEP if head.keep else 0) | WHOLE
        # The end of a connection goes with the last answer, as soon as that is in the accounts.
        flags = DONTWAIT if head.keep else DONTWAIT_MORE
        try:
            sent = client.send(parts[0], flags) if len(parts) == 1 else client.sendmsg(parts, (), flags)
        except BlockingIOError:
            return LONG_WAY  # nobody has anything of it: it is said again there
        except OSError:  # of the client, or of an application's signal: nobody knows how much is out
            turn.take_up(length)
            return REST
        except BaseException:
            turn.take_up(length)
            raise
        if sent == size:
            turn.code, turn.sent = head.code, sent
            return SENT
        turn.take_up(length).go_on(parts, sent)
        return REST

    def _account(self, turn: Turn, end: End, ready: Ready, began: int, spent: int, client: bytes, given_name: bytes) -> None:
        """The answer has ended: say so in the slot, and leave a receipt."""
        borrower, desk, words, key = self.borrower, self.desk, self.words, turn.key
        desk.served += 1
        words[REQUESTS] = desk.served
        words[REQUEST] = turn.number << 16 | turn.code << 5 | (KEEP if turn.keep else 0) | DONE
        desk.spent = desk.clock()
        now = time.monotonic_ns()
        waited = began - max(borrower.answered[key], borrower.idle_at)
        if waited > GRAIN:  # as in `Borrower._waited`
            waited = min(waited, since_received(end.loan.client) - (now - began))
        flags = (LASTS if turn.keep else 0) | (ASKS_REPLACEMENT if desk.worn() else 0)
        record = pack_receipt(
            flags | ready.flags, turn.code, key, len(turn.data), turn.number, max(0, waited), began, now - began, turn.sent,
            desk.spent - spent, 0, 0, client, given_name, turn.tagged, ready.asked,
        )  # fmt: skip
        borrower.leave(record)
        borrower.answered[key], borrower.waited = now, False
        if not turn.keep:
            borrower.let_go(key, broken=False)
            del self.ends[key]
        if flags & ~LASTS:
            send(borrower.pair, bytes((NEWS,)))
