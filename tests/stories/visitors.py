"""Clients of `apps/signed.py` with random traffic, who compare each byte of each answer with what it has to be.

A `Visitor` is one connection from its first request to its end. A `Crowd` is all of them, in one loop: regulars that come and go
and ask for little, mostly without a wait, and rushes of newcomers that connect at once, most of which ask for much and others
have to wait. What each does is drawn from the seed and its number, so that a crowd does the same again; when, is up to the machine.
"""

import heapq
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from random import Random
from typing import NamedTuple

from tests.stories.apps.signed import text

REGULARS = 12
LIVES = (5, 60)  # rounds of requests of a regular
RUSH = 14  # newcomers at once
CALM = 400  # answers between two rushes
LITTLE = (0, 1, 8, 800, 800, 800, 8_000, 16_384, 65_536, 65_537)
MUCH = (300_000, 1_000_000, 3_000_000, 4_000_000, 6_000_000, 10 << 20)
BODIES = (0, 1_000, 40_000, 65_537, 200_000, 1_200_000)  # of uploads, which are what is answered
MOMENT, WHILE = (1, 9), (10, 30)  # milliseconds that an answer may take
FORMS = ("whole", "whole", "parts", "chunked")
WINDOW = 16_384  # bytes of the receive buffer of a client that has little room
PIECES = (8_192, 65_536, 1 << 18)  # bytes that a client reads at once
NAPS, NAP = 6, 0.03  # of a slow client: how many, and how many seconds at the most
PATIENCE = 20.0  # seconds without a byte for somebody who waits
LONGEST_HEAD = 4_096
END_OF_HEAD = b"\r\n\r\n"
BOTH_WAYS = select.EPOLLIN | select.EPOLLOUT


class Wrong(AssertionError):
    """An answer was not what it had to be, or never came."""


class Ask(NamedTuple):
    """A request. `follows`: others were sent before it that had not been answered."""

    number: int
    method: str
    size: int
    form: str
    pause: int  # milliseconds
    chunked: bool  # its own body
    closes: bool
    follows: bool

    @property
    def name(self) -> bytes:
        """Eight bytes that no other request of its crowd has; neighbours differ in most."""
        return b"%07x_" % (self.number * 2654435761 % (1 << 28))

    def encode(self) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} /{self.name.decode()}/{self.size}/{self.form}/{self.pause} HTTP/1.1", "Host: signed"]
        if self.closes:
            lines.append("Connection: close")
        if self.method == "GET":
            return "\r\n".join([*lines, "", ""]).encode()
        body = text(self.name, 0, self.size)
        lines.append("Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + (in_chunks(body) if self.chunked else body)


def in_chunks(body: bytes) -> bytes:
    """A body in chunks that grow."""
    parts, begin = [], 0
    while begin < len(body):
        part = body[begin : begin + 7_001 + begin // 2]
        parts.append(b"%x\r\n%b\r\n" % (len(part), part))
        begin += len(part)
    return b"".join([*parts, b"0\r\n\r\n"])


class Visitor:
    """One connection. It sends each of its `rounds` of requests when the one before is answered. One that `aborts` leaves in the
    middle of the last: when so many bytes of that are sent (`sends`), or have come of an answer (`takes`).
    """

    def __init__(self, crowd: "Crowd", number: int, hurried: bool) -> None:
        self.crowd, self.number, self.hurried = crowd, number, hurried
        self.chance = chance = Random(f"{crowd.seed}.{number}")
        self.rounds = 1 if hurried else chance.randint(*LIVES)
        self.pieces = chance.choice(PIECES)
        self.naps = chance.randint(1, NAPS) if chance.random() < 0.15 else 0
        self.aborts = chance.random() < 0.08
        self.sends = self.takes = -1
        self.owed: deque[Ask] = deque()
        self.unsent = memoryview(b"")
        self.got = b""
        self.came = 0  # bytes of the present answer that were right, those of its head among them
        self.whole = 0  # answers
        self.ending = False  # the server closes behind what it has answered
        self.moved = time.monotonic()
        self.comparison = self._compare_all()
        self.socket = socket.socket()
        if chance.random() < 0.25:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self.socket.connect(("127.0.0.1", crowd.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    # Asking.

    def ask(self) -> None:
        """Send the next round, or leave when there is none."""
        if not self.rounds:
            self._refuse_more()
            self.crowd.leave(self)
            return
        self.rounds -= 1
        several = self.chance.randint(2, 6) if self.chance.random() < 0.06 else 1
        asks = [self._draw(place, several) for place in range(several)]
        self.crowd.pending.update(ask.number for ask in asks)
        self.owed.extend(asks)
        sent = b"".join(ask.encode() for ask in asks)
        if self.aborts and not self.rounds:
            if self.chance.random() < 0.3:
                self.sends = self.chance.randrange(1, len(sent))
                sent = sent[: self.sends]
            else:
                self.takes = self.chance.randrange(asks[0].size + 100)
        self.unsent = memoryview(sent)
        self.write()

    def _draw(self, place: int, several: int) -> Ask:
        """One request of so many that are sent at once."""
        chance, last = self.chance, not self.rounds and place == several - 1
        posts = several == 1 and chance.random() < 0.1
        much = self.hurried and place == 0 and chance.random() < 0.65
        waits = chance.random() < (0.01 if much or not self.hurried else 0.8)
        sizes = BODIES if posts else MUCH if much else LITTLE
        self.crowd.asked += 1
        return Ask(
            number=self.crowd.asked,
            method="POST" if posts else "GET",
            size=chance.choice(sizes),
            form=chance.choice(FORMS),
            pause=chance.randint(*(MOMENT if chance.random() < 0.85 else WHILE)) if waits else 0,
            chunked=posts and chance.random() < 0.3,
            closes=last and chance.random() < 0.2,
            follows=place > 0,
        )

    def write(self) -> None:
        """Send what the server takes, and be told when something comes, or when it takes more."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            pass
        except ConnectionError:  # it may have answered before; that is read like anything else
            self.unsent = memoryview(b"")
        if self.sends >= 0 and not self.unsent:
            self.crowd.abort(self)
            return
        self.crowd.epoll.modify(self.socket, BOTH_WAYS if self.unsent else select.EPOLLIN)
        self._go_on()

    def _go_on(self) -> None:
        """Ask again, where everything is sent and answered."""
        if not (self.owed or self.unsent or self.ending):
            self.ask()

    # Reading.

    def read(self) -> None:
        """Take some of what has come, and compare it."""
        try:
            data = self.socket.recv(self.pieces)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self._ended("was reset")
            return
        if not data:
            self._ended("was closed")
            return
        self.moved = time.monotonic()
        self.got += data
        self.crowd.tally["bytes"] += len(data)
        next(self.comparison)
        if 0 <= self.takes < self.came:
            self.crowd.abort(self)
        elif self.owed and self.naps and self.chance.random() < 0.5:
            self.naps -= 1
            self.crowd.nap(self, self.chance.random() * NAP)
        else:
            self._go_on()

    def _compare_all(self) -> Iterator[None]:
        """Compare the answers, one after the other; yields where more has to come first."""
        while True:
            while not (self.owed and self.got):
                if self.got:
                    raise self.wrong("something came unasked")
                yield
            yield from self._answer(self.owed[0])
            self.whole += 1
            self.came = 0
            self.crowd.pending.discard(self.owed.popleft().number)
            if self.ending:
                self.rounds = 0
                self._excuse_all()

    def _answer(self, ask: Ask) -> Iterator[None]:
        status, *lines = (yield from self._until(END_OF_HEAD)).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.ending = headers.get("connection") == "close"
        if ask.method == "POST" and status.startswith("HTTP/1.1 502 ") and self.crowd.disturbed:
            yield from self._exactly(int(headers["content-length"]))
            self.crowd.tally["uploads answered with 502"] += 1
            return
        length = headers.get("content-length", str(ask.size))
        if status != "HTTP/1.1 200 OK" or headers.get("x-name") != ask.name.decode() or length != str(ask.size):
            raise self.wrong(f"its head was {status!r}, {headers}")
        yield from self._body(ask, headers)
        self.crowd.tally["requests"] += 1

    def _body(self, ask: Ask, headers: dict[str, str]) -> Iterator[None]:
        if "content-length" in headers:
            yield from self._compare(ask, 0, ask.size)
            return
        begin = 0
        while size := (yield from self._size()):
            yield from self._compare(ask, begin, size)
            begin += size
            yield from self._expect(b"\r\n")
        yield from self._expect(b"\r\n")
        if begin != ask.size:
            raise self.wrong(f"it ended after {begin} bytes")

    def _compare(self, ask: Ask, begin: int, size: int) -> Iterator[None]:
        """So many bytes of its text, from a place on."""
        end = begin + size
        while begin < end:
            if not self.got:
                yield
            piece, rest = self.got[: end - begin], self.got[end - begin :]
            if piece != text(ask.name, begin, len(piece)):
                raise self.wrong(f"not all was its own from byte {begin} on")
            self.got = rest
            begin += len(piece)
            self.came += len(piece)

    def _size(self) -> Generator[None, None, int]:
        line = yield from self._until(b"\r\n")
        try:
            return int(line, 16)
        except ValueError:
            raise self.wrong(f"{line!r} is no size of a chunk") from None

    def _expect(self, expected: bytes) -> Iterator[None]:
        found = yield from self._exactly(len(expected))
        if found != expected:
            raise self.wrong(f"{found!r} came where {expected!r} belongs")

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        while len(self.got) < size:
            yield
        found, self.got = self.got[:size], self.got[size:]
        self.came += size
        return found

    def _until(self, end: bytes) -> Generator[None, None, bytes]:
        """What comes before an end, which is passed over."""
        while end not in self.got:
            begins = end != END_OF_HEAD or b"HTTP/1.1 ".startswith(self.got[:9])
            if len(self.got) > LONGEST_HEAD or not begins:
                raise self.wrong("this is no head")
            yield
        found, _, self.got = self.got.partition(end)
        self.came += len(found) + len(end)
        return found

    # Ends.

    def _ended(self, how: str) -> None:
        """The server has ended the connection. It may where it has said so, and in the middle of an answer whose worker has died.

        What stands behind others may have begun in the server without a byte of it having come.
        """
        if self.owed or not self.ending:
            begun = self.owed and (self.came or self.got or self.owed[0].follows)
            if not (begun and self.crowd.disturbed):
                raise self.wrong(f"the connection {how}")
            self.crowd.tally["answers cut"] += 1
        self.crowd.leave(self)

    def _refuse_more(self) -> None:
        """Nothing may have come behind the last answer."""
        try:
            self.got = self.socket.recv(self.pieces)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise self.wrong(f"the idle connection broke ({error})") from None
        raise self.wrong("something came behind the last answer" if self.got else "the idle connection was closed")

    def _excuse_all(self) -> None:
        """Nothing that was asked besides is answered any more."""
        self.crowd.pending.difference_update(ask.number for ask in self.owed)
        self.owed.clear()

    def wrong(self, what: str) -> Wrong:
        """All that is known of it."""
        ask = self.owed[0] if self.owed else None
        where = f"connection {self.number} from port {self.socket.getsockname()[1]}, after {self.whole} whole answers"
        wanted = f"the answer to {ask}, named {ask.name.decode()}, of which {self.came} bytes were right" if ask else "nothing"
        return Wrong(f"STORY_SEED={self.crowd.seed}: {what}; {where}; wanted was {wanted}; there was {self.got[:300]!r}")


class Crowd:
    """All visitors of a server, until so many rushes are over. With `disturbed` workers die meanwhile: answers may be cut then,
    and uploads refused, which is counted; nothing else may be.

    `tally` counts what has come of it, `asked` the requests, each of which has its number; `pending` are those that wait for their
    answers.
    """

    def __init__(self, port: int, seed: int, rushes: int, *, disturbed: bool = False) -> None:
        self.port, self.seed, self.rushes, self.disturbed = port, seed, rushes, disturbed
        self.tally: Counter[str] = Counter()
        self.asked = self.visits = self.regulars = 0
        self.pending: set[int] = set()
        self.visitors: dict[int, Visitor] = {}
        self.asleep: list[tuple[float, int]] = []
        self.epoll = select.epoll()

    def run(self) -> None:
        """Have them come and go. Raises Wrong at the first byte that is."""
        following = CALM
        try:
            while self.rushes or self.visitors:
                if self.rushes and self.tally["requests"] >= following:
                    self.rushes -= 1
                    self._admit(RUSH, hurried=True)
                    following = self.tally["requests"] + RUSH + CALM
                if self.rushes:
                    self._admit(REGULARS - self.regulars, hurried=False)
                self._turn()
        finally:
            for visitor in self.visitors.values():
                visitor.socket.close()
            self.epoll.close()

    def past(self, number: int) -> bool:
        """Whether all requests up to that number have come to their end. Another thread may ask."""
        return all(pending > number for pending in list(self.pending))

    def _admit(self, count: int, *, hurried: bool) -> None:
        """Have so many connect, and then ask."""
        newcomers = []
        for _ in range(count):
            self.visits += 1
            newcomers.append(Visitor(self, self.visits, hurried))
        for visitor in newcomers:
            self.regulars += not hurried
            self.visitors[visitor.socket.fileno()] = visitor
            self.epoll.register(visitor.socket, 0)
            visitor.ask()

    def _turn(self) -> None:
        """Have those write and read who can."""
        now = time.monotonic()
        while self.asleep and self.asleep[0][0] <= now:
            visitor = self.visitors.get(heapq.heappop(self.asleep)[1])
            if visitor:
                visitor.write()
        for descriptor, events in self.epoll.poll(max(0.0, self.asleep[0][0] - now) if self.asleep else 1.0):
            if events & select.EPOLLOUT:
                self.visitors[descriptor].write()
            if events & ~select.EPOLLOUT and descriptor in self.visitors:
                self.visitors[descriptor].read()
        for visitor in self.visitors.values():
            if now - visitor.moved > PATIENCE:
                raise visitor.wrong(f"nothing has come for {PATIENCE:g} s")

    def nap(self, visitor: Visitor, seconds: float) -> None:
        """Somebody does not read for a while."""
        self.epoll.modify(visitor.socket, 0)
        heapq.heappush(self.asleep, (time.monotonic() + seconds, visitor.socket.fileno()))

    def abort(self, visitor: Visitor) -> None:
        """Somebody leaves in the middle."""
        self.tally["requests aborted"] += 1
        self.leave(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Somebody is gone."""
        self.pending.difference_update(ask.number for ask in visitor.owed)
        self.regulars -= not visitor.hurried
        del self.visitors[visitor.socket.fileno()]
        visitor.socket.close()
