"""Shared memory that says what every worker is doing, and what the dispatcher has counted.

In this order: a slot of 16 words for each worker, one for the dispatcher, a block of 216 words for each lane (8 figures, then the
histograms of waits and of service times), one of 224 for each route, a tag of 128 bytes for each worker, and as many for each
route's name. Each 8-byte word has one writer, which stores it whole (one aligned store), so readers need no lock and a writer may
be killed between any two stores. Runs inside the application's interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import binascii
import mmap
from typing import NamedTuple

from prefork.kernel import shared_memory

PLACES = 4096  # for the workers of one pool: twice as many as there can be, since a reload has old ones and new ones
SLOTS = 3 * PLACES  # of all pools
WORDS = 16  # 8-byte words in a slot: 128 bytes, two cache lines
WRAP = (1 << 64) - 1  # totals of what workers say are modulo 2**64: no word of theirs is too large for them
DISPATCHER = SLOTS  # the block behind the last slot
FOREVER = (1 << 63) - 1  # nanoseconds: what ALLOWED says of a route without a limit

# A worker's words. WAITING_SINCE (monotonic nanoseconds, else 0): its client does not read and there is no more room to spool, or
# what a cron worker has its jobs from cannot be reached.
# CPU_AT is its processor time when the request began (nanoseconds), RESIDENT_AT the bytes it had in memory then, or at most
# two milliseconds before (0: nobody knows). ALLOWED is the dispatcher's word: how long its route may take, 0 where the limit of
# all counts. OPEN is how many connections a websocket worker has.
# TURNED, LAG and TURNED_CPU are in the first slot of a worker with an event loop: when that last turned (monotonic nanoseconds),
# the longest that it was late lately (nanoseconds), and the processor time of the process at that turn (nanoseconds).
# LOAN is the connection of the last request that a worker has read itself, by its key, and TAKEN how many bytes that were, 0 until
# it has read them. Words of the dispatcher: REVOKED, up to which number its requests are another worker's by now; HALTED, whether
# the worker reads nothing itself; CAME_AT, when the request arrived that it was given last, and NEXT_AT, when that did which it
# will be given next, 0 where that is not certain (monotonic nanoseconds).
REQUEST, BEGUN_AT, REQUESTS, SIZE, WAITING_SINCE, CPU_AT, ALLOWED, RESIDENT_AT, OPEN, TURNED, LAG, TURNED_CPU = range(12)
LOAN, TAKEN, REVOKED, HALTED = range(12, 16)
CAME_AT, NEXT_AT = TURNED_CPU, LAG  # no worker with an event loop reads requests itself
# The dispatcher's words: how long the queue is and since when its head waits; totals since the server's start; when its
# loop last turned (monotonic nanoseconds); how many requests their clients have left before any worker had them. SPENT is how many
# nanoseconds all workers together have had requests by SHOWN_AT (monotonic nanoseconds, 0 while the two change). CLASSES is the
# first of four: answers of the status 2xx, 3xx, 4xx and 5xx since the server's start.
QUEUED, OLDEST, CONNECTIONS, ANSWERED, RETRIED, FAILED, REFUSED, BUSY, TURNED_AT, ABANDONED, SPENT, SHOWN_AT, CLASSES = range(13)

LANES = 16  # the declared ones in their order, and behind them that of all other requests
BUCKETS = 104  # of a histogram; histogram.py knows which durations each one counts
LANE_WORDS = 16 + 2 * BUCKETS
LANES_AT = (SLOTS + 1) * WORDS  # the first word of the first one
# A lane's words, which the dispatcher writes. NAME tells whose they are (`mark`), 0 while they change hands. ARRIVED is a total
# since the server's start, and so are LENT, the requests that workers have read and answered by themselves, and SHED, those that
# were sent away because too many waited before them; the others are of now:
# SINCE is when the oldest waiting request arrived (monotonic nanoseconds, or 0). WAITED and SERVED are nanoseconds, all that the
# histograms have counted together.
NAME, ARRIVED, WAITING, WORKING, SINCE, WAITED, SERVED, LENT, SHED = range(9)
WAITS = 16  # the first word of the histogram of waits
SERVICES = WAITS + BUCKETS  # and of that of service times

ROUTES = 128  # the first one is of all requests that belong to no other
ROUTE_WORDS = 16 + 2 * BUCKETS
ROUTES_AT = LANES_AT + LANES * LANE_WORDS
# A route's words, totals since the server's start. ROUTE tells whose they are (`mark`), 0 while they change hands. Times are
# nanoseconds. GROWTH is how many bytes its workers had more in memory after its requests, modulo 2**64 for they may have less.
ROUTE, ENDED, ERRORS, ROUTE_WAITED, ROUTE_SERVED, CPU, SENT, QUERIES, SQL, GROWTH = range(10)
ROUTE_WAITS = 16
ROUTE_SERVICES = ROUTE_WAITS + BUCKETS

TAGS_AT = (ROUTES_AT + ROUTES * ROUTE_WORDS) * 8  # the first byte of the first slot's tag
TAG = 128  # bytes of a tag with the number of its request
NAMES_AT = TAGS_AT + (SLOTS + 1) * TAG  # the first byte of the first route's name
LONGEST_NAME = 128
BYTES = NAMES_AT + ROUTES * LONGEST_NAME

# What a worker has done about the request it was given last, in the order of events.
NOTHING, RECEIVED, BEGUN, WRITING, DONE = range(5)


class Progress(NamedTuple):
    """A worker's REQUEST word, unpacked.

    `number` identifies the request (the dispatcher counts them), `status` is the HTTP status once known (else 0), and `keep`
    tells whether the connection can take another request afterwards. `whole`, while WRITING: the answer is complete as soon
    as the socket has taken as many bytes as the SIZE word says.
    """

    number: int
    state: int
    status: int
    keep: bool
    whole: bool


def pack_progress(number: int, state: int, status: int = 0, keep: bool = False, whole: bool = False) -> int:
    """One word from its parts: 48 bits number, 1 whole, 10 status, 1 keep, 4 state."""
    return number << 16 | (32768 if whole else 0) | status << 5 | (16 if keep else 0) | state


def unpack_progress(word: int) -> Progress:
    """The parts of a REQUEST word."""
    return Progress(word >> 16, word & 15, word >> 5 & 1023, bool(word & 16), bool(word & 32768))


def legible(text: str) -> str:
    """A text as a tag gives it back: as much of it as there is room for."""
    return text.encode(errors="replace")[: TAG - 8].decode(errors="replace")


def mark(name: str) -> int:
    """What the NAME word of a lane says, and the ROUTE word of a route: never 0."""
    return binascii.crc32(name.encode()) + 1


class Block:
    """Words that belong together. What happens with each request takes them from `words` itself, in a third of the time."""

    __slots__ = ("words",)

    def __init__(self, words: memoryview) -> None:
        self.words = words

    def __getitem__(self, word: int) -> int:
        return self.words[word]

    def __setitem__(self, word: int, value: int) -> None:
        self.words[word] = value

    def span(self, first: int, count: int) -> list[int]:
        """Several words in a row."""
        return self.words[first : first + count].tolist()


class Slot(Block):
    """The words of one worker, or of the dispatcher. `room` is for the tag of its request: a word with its number, and the text."""

    __slots__ = ("room",)

    def __init__(self, words: memoryview, room: memoryview) -> None:
        super().__init__(words)
        self.room = room

    def set_tag(self, number: int, text: str) -> bytes:
        """Say what request `number` is about, in the application's words; returns those that there was room for."""
        data = text.encode(errors="replace")[: TAG - 8]
        self.room[8:TAG] = data.ljust(TAG - 8, b"\0")
        self.room[:8] = number.to_bytes(8, "little")
        return data

    def tag(self, number: int) -> str:
        """What request `number` is about; empty when nobody has said."""
        data = bytes(self.room)
        return data[8:].rstrip(b"\0").decode(errors="replace") if data[:8] == number.to_bytes(8, "little") else ""

    def progress(self) -> Progress:
        """What the worker has done about its last request."""
        return unpack_progress(self[REQUEST])

    def clear(self) -> None:
        """Zero all words and the tag, before another worker gets the slot."""
        for word in range(WORDS):
            self[word] = 0
        self.room[:] = bytes(TAG)


class Route(Block):
    """The words of a route, and `room` for its name: ASCII, `LONGEST_NAME` bytes at the most."""

    __slots__ = ("room",)

    def __init__(self, words: memoryview, room: memoryview) -> None:
        super().__init__(words)
        self.room = room

    def give(self, name: str, words: list[int]) -> None:
        """Make it another route's, with these figures."""
        self.words[ROUTE] = 0
        self.room[:] = name.encode().ljust(LONGEST_NAME, b"\0")
        for word in range(ROUTE + 1, ROUTE_WORDS):
            self.words[word] = words[word]
        self.words[ROUTE] = mark(name) if name else 0

    def read(self) -> tuple[str, list[int]]:
        """Its name and words; an empty name while it is nobody's, or changes hands."""
        before, name = self.words[ROUTE], bytes(self.room).rstrip(b"\0").decode("ascii", "replace")
        words = self.span(0, ROUTE_WORDS)
        return (name if before and before == words[ROUTE] == self.words[ROUTE] == mark(name) else ""), words


class Scoreboard:
    """The whole memory, mapped from a descriptor that all processes of the server share."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.memory = mmap.mmap(descriptor, BYTES)
        self.words = memoryview(self.memory)[:TAGS_AT].cast("Q")
        self.tags = memoryview(self.memory)[TAGS_AT:NAMES_AT]  # the dispatcher's is never used
        self.names = memoryview(self.memory)[NAMES_AT:]
        self.slots: dict[int, Slot] = {}  # those that somebody has asked for

    @classmethod
    def create(cls) -> Scoreboard:
        """New, zeroed memory without a name in any file system."""
        return cls(shared_memory("prefork-scoreboard", BYTES))

    def slot(self, index: int) -> Slot:
        """The slot of worker number `index`, or the dispatcher's (`DISPATCHER`)."""
        found = self.slots.get(index)
        if found is None:
            words, room = self.words[index * WORDS : (index + 1) * WORDS], self.tags[index * TAG : (index + 1) * TAG]
            found = self.slots[index] = Slot(words, room)
        return found

    def lane(self, index: int) -> Block:
        """The words of lane number `index`."""
        first = LANES_AT + index * LANE_WORDS
        return Block(self.words[first : first + LANE_WORDS])

    def route(self, index: int) -> Route:
        """The words of route number `index`."""
        first, room = ROUTES_AT + index * ROUTE_WORDS, index * LONGEST_NAME
        return Route(self.words[first : first + ROUTE_WORDS], self.names[room : room + LONGEST_NAME])
