"""What dispatcher and worker tell each other about the connections that one lends and the other reads.

The dispatcher's words are in marshal format, which trusts its input; a worker's are fixed structs, because they come out of the
application's process. Receipts lie in memory that both have, a ring, which nobody is woken by: what is in it outlives the worker.
Standard library only, Python 3.9+: this runs inside the application's interpreter.
"""

from __future__ import annotations

import marshal
import os
import struct
from array import array
from typing import TYPE_CHECKING, NamedTuple

from prefork.kernel import barrier

if TYPE_CHECKING:
    import mmap

ROOM = 1 << 14  # bytes of the memory that a worker reads requests into: what does not fit goes back
LOANED = 1 << 46  # the numbers of requests that a worker has read itself begin here; the dispatcher's are below
RING = 1 << 18  # bytes of receipts that have room behind it: the dispatcher is told when half of them are taken
LARGEST = ROOM + (1 << 10)  # bytes of a receipt: all that was read, and less than a kibibyte of other texts
TOLD = 64  # bytes between the two, which begin with the words for it
WRITTEN, ENTERED = range(2)  # those words: how many bytes of receipts there have ever been, and how many are taken out
IN_ORDER = os.uname().machine == "x86_64"  # stores are seen in the order in which they were made

# An event loop has such memory for each of its places, and words in front of it: LOOKS counts how often it has begun or ended to
# look for a request on its loans, so that it is odd while it may hold one that is not noted yet; from GIVEN_UP on, one for each
# place, are the numbers of the requests that it has last said to be OWNED. UNTOLD is how many it has read that are neither done nor
# told of. WAITING is the dispatcher's word: how many requests wait for a free place, and are next.
LOOKS, GIVEN_UP, UNTOLD, WAITING = 0, 1, 257, 258

# From the dispatcher, in a request's place: the terms of all loans (the first time with the descriptors of the shared epoll and of
# the memory), a connection that is lent before its first request, with its socket, and which connections are not lent any more.
TERMS, NEW, RECALL = b"terms", b"new", b"recall"
# From the worker: a connection goes back with what was read of it; so does one whose request is being answered, because the answer
# does not get out at once; all that was recalled is let go; there are receipts that should not wait; a request was not taken, as
# agreed; new connections may be lent, for there is a parser here.
BACK, OWNED, HOME, NEWS, DECLINED, ABLE = 16, 17, 18, 19, 20, 21
RETURN = struct.Struct("<BIQ")
NUMBER = struct.Struct("<BQ")

LASTS, ENDS_BROKEN, ASKS_REPLACEMENT, OLD_HTTP = 1, 2, 4, 8  # flags of a receipt
FIXED = struct.Struct("<IBHIIQQQQQQIQBBHH")
ASKED = struct.Struct("<BBHH")
LONGEST_METHOD = 255


class Terms(NamedTuple):
    """What a worker may answer of what it reads: nothing at these paths (patterns of `http.paths`), no head larger than this, and
    of bodies that are more than it reads at once none above `largest_body`.

    `prefix` begins the ids that it gives requests; `proxies` are the peers whose word about their client counts, None where that of
    nobody does.
    """

    prefix: str
    elsewhere: tuple[str, ...]
    largest_head: int
    proxies: tuple[str, ...] | None
    largest_body: int = 0


def pack_terms(terms: Terms) -> bytes:
    """The terms as one message."""
    return TERMS + marshal.dumps(tuple(terms), 2)


def unpack_terms(message: bytes) -> Terms:
    """The terms in a message of `pack_terms`."""
    return Terms._make(marshal.loads(message[len(TERMS) :]))  # noqa: S302 - it comes from the dispatcher


class New(NamedTuple):
    """A connection that is lent before its first request: its key, both ends, and when it came (monotonic nanoseconds)."""

    key: int
    peer: tuple[str, int]
    local: tuple[str, int]
    came: int


def pack_new(key: int, peer: tuple[str, int], local: tuple[str, int], came: int) -> bytes:
    """The fields of a `New` as one message, which its socket goes with."""
    return NEW + marshal.dumps((key, peer, local, came), 2)


def unpack_new(message: bytes) -> New:
    """What is in a message of `pack_new`."""
    return New._make(marshal.loads(message[len(NEW) :]))  # noqa: S302 - as in `unpack_terms`


def pack_recall(keys: list[int]) -> bytes:
    """Connections that are to be let go, by their keys, as one message."""
    return RECALL + array("I", keys).tobytes()


def unpack_recall(message: bytes) -> list[int]:
    """The keys in a message of `pack_recall`."""
    return array("I", message[len(RECALL) :]).tolist()


class Return(NamedTuple):
    """A connection that goes back, by its key, and the bytes that were read; with the number of the request that is OWNED."""

    kind: int
    key: int
    number: int
    data: bytes


def pack_return(kind: int, key: int, number: int, data: bytes) -> bytes:
    """A return as one message; `kind` is BACK or OWNED."""
    return RETURN.pack(kind, key, number) + data


def unpack_return(message: bytes) -> Return:
    """What is in a message of `pack_return`. Raises struct.error when it is none."""
    kind, key, number = RETURN.unpack_from(message)
    return Return(kind, key, number, message[RETURN.size :])


def pack_declined(number: int) -> bytes:
    """A request was not taken."""
    return NUMBER.pack(DECLINED, number)


def unpack_declined(message: bytes) -> int:
    """The number of the request that was not taken. Raises struct.error when there is none."""
    number: int = NUMBER.unpack(message)[1]
    return number


def memory_for(rooms: int) -> int:
    """How many bytes of memory a worker needs that reads requests into so many rooms."""
    return ROOM * rooms + TOLD + RING


def number_for(place: int, count: int) -> int:
    """The number of the request that an event loop has read for a place, `count` after others."""
    return LOANED + (count << 8 | place) + 1


def place_of(number: int) -> int:
    """The place of a loop that a request with such a number is for."""
    return (number - LOANED - 1) & 255


class Asked(NamedTuple):
    """What logs tell of a request, as it was sent."""

    method: bytes
    trace: bytes
    target: bytes
    referer: bytes
    agent: bytes


def pack_asked(asked: Asked) -> bytes:
    """The same as one text."""
    return ASKED.pack(*map(len, asked[:4])) + b"".join(asked)


def unpack_asked(data: bytes) -> Asked:
    """What is in a text of `pack_asked`. Raises struct.error when it is none."""
    texts, place = [], ASKED.size
    for length in ASKED.unpack_from(data):
        texts.append(data[place : place + length])
        place += length
    if place > len(data):
        raise struct.error("texts are longer than they are together")
    return Asked._make((*texts, data[place:]))


class Receipt(NamedTuple):
    """A request that was answered from a loan, for all accounts. Times are nanoseconds, `began` is on the monotonic clock.

    `key` is its connection's, `size` how many bytes the request had; `status`, `sent`, `cpu`, `queries`, `sql` and `tag` are those
    of an `Ending`. Texts are bytes: `client` is an address, `request_id` is empty where it was made of the number, and `asked` an
    `Asked`.
    """

    flags: int
    status: int
    key: int
    size: int
    number: int
    wait: int
    began: int
    service: int
    sent: int
    cpu: int
    queries: int
    sql: int
    client: bytes
    request_id: bytes
    tag: bytes
    asked: bytes


def pack_receipt(
    flags: int, status: int, key: int, size: int, number: int, wait: int, began: int, service: int, sent: int, cpu: int,
    queries: int, sql: int, client: bytes, request_id: bytes, tag: bytes, asked: bytes,
) -> bytes:  # fmt: skip
    """A receipt of these parts as it is in the memory, in whole words."""
    texts = client + request_id + tag + asked
    room = (FIXED.size + len(texts) + 7) & ~7
    return FIXED.pack(
        room, flags, status, key, size, number, wait, began, service, sent, cpu, queries, sql,
        len(client), len(request_id), len(tag), len(asked),
    ) + texts.ljust(room - FIXED.size, b"\0")  # fmt: skip


def unpack_receipts(data: bytes) -> list[Receipt]:
    """The receipts in a piece of memory, up to its end or to a size of 0. Raises struct.error."""
    found, start = [], 0
    while start < len(data) and data[start : start + 4] != b"\0\0\0\0":
        fields = FIXED.unpack_from(data, start)
        client, request_id, tag, asked = fields[13:]
        one = start + FIXED.size
        two = one + client
        three = two + request_id
        four = three + tag
        five = four + asked
        start += fields[0]
        if not five <= start <= len(data):
            raise struct.error("a receipt is longer than its size, or than there is room for")
        found.append(Receipt._make((*fields[1:13], data[one:two], data[two:three], data[three:four], data[four:five])))
    return found


class Till:
    """Where receipts lie, at the end of memory that begins with what is read. One process puts them in, another takes them out."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory
        self.at = len(memory) - RING
        self.words = memoryview(memory)[self.at - TOLD : self.at - TOLD + 16].cast("Q")

    def has_room(self) -> bool:
        """Whether there is room for any receipt, wherever the ring ends."""
        return self.words[WRITTEN] - self.words[ENTERED] <= RING - 2 * LARGEST

    def put(self, record: bytes) -> int:
        """Keep what `pack_receipt` has made, where there is room. Returns how many bytes lie there now."""
        words, size = self.words, len(record)
        written = words[WRITTEN]
        waiting, place, left = written - words[ENTERED] + size, written % RING, 0
        if place + size > RING:
            left = RING - place
            place = 0
        if left:
            self.memory[self.at + RING - left : self.at + RING] = bytes(left)
        self.memory[self.at + place : self.at + place + size] = record
        words[WRITTEN] = written + left + size  # last: a process that dies before has put in nothing
        return waiting + left

    def take(self) -> list[bytes]:
        """The receipts that have come, in their order, as `unpack_receipts` takes them. Raises struct.error for what are none."""
        first, last = self.words[ENTERED], self.words[WRITTEN]
        if first == last:
            return []
        if not IN_ORDER:
            barrier()
        self.words[ENTERED] = last
        size, place = last - first, first % RING
        if not 0 < size <= RING:
            raise struct.error("there are more receipts than there is room for")
        ahead = min(size, RING - place)
        at = self.at
        return [self.memory[at + place : at + place + ahead], self.memory[at : at + size - ahead]]
