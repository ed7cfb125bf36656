"""What dispatcher and worker tell each other about the connections that one lends and the other reads.

The dispatcher's words are in marshal format, which trusts its input; a worker's are fixed structs, because they come out of the
application's process. Receipts go through a pipe of their own, which nobody is woken by: what is in it outlives the worker.
Standard library only, Python 3.9+: this runs inside the application's interpreter.
"""

from __future__ import annotations

import marshal
import struct
from array import array
from typing import NamedTuple

ROOM = 1 << 14  # bytes of the memory that a worker reads requests into: what does not fit goes back
LOANED = 1 << 46  # the numbers of requests that a worker has read itself begin here; the dispatcher's are below
PIPE = 1 << 20  # bytes of receipts that have room before their writer has to wait

# An event loop has such memory for each of its places, and words in front of it: LOOKS counts how often it has begun or ended to
# look for a request on its loans, so that it is odd while it may hold one that is not noted yet; from GIVEN_UP on, one for each
# place, are the numbers of the requests that it has last said to be OWNED.
LOOKS, GIVEN_UP = 0, 1

# From the dispatcher, in a request's place: the terms of all loans (the first time with the descriptors of the shared epoll, of
# the memory and of the pipe), and which connections are not lent any more.
TERMS, RECALL = b"terms", b"recall"
# From the worker: a connection goes back with what was read of it; so does one whose request is being answered, because the answer
# does not get out at once; all that was recalled is let go; there are receipts that should not wait; a request was not taken, as
# agreed.
BACK, OWNED, HOME, NEWS, DECLINED = 16, 17, 18, 19, 20
RETURN = struct.Struct("<BIQ")
NUMBER = struct.Struct("<BQ")

LASTS, ENDS_BROKEN, ASKS_REPLACEMENT, OLD_HTTP = 1, 2, 4, 8  # flags of a receipt
FIXED = struct.Struct("<IBHIIQQQQQQIQBBBHHHH")
LONGEST_METHOD = 255


class Terms(NamedTuple):
    """What a worker may answer of what it reads: nothing at these paths (patterns of `http.paths`), no head larger than this.

    `prefix` begins the ids that it gives requests; `proxies` are the peers whose word about their client counts, None where that of
    nobody does.
    """

    prefix: str
    elsewhere: tuple[str, ...]
    largest_head: int
    proxies: tuple[str, ...] | None


def pack_terms(terms: Terms) -> bytes:
    """The terms as one message."""
    return TERMS + marshal.dumps(tuple(terms), 2)


def unpack_terms(message: bytes) -> Terms:
    """The terms in a message of `pack_terms`."""
    return Terms._make(marshal.loads(message[len(TERMS) :]))  # noqa: S302 - it comes from the dispatcher


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


def number_for(place: int, count: int) -> int:
    """The number of the request that an event loop has read for a place, `count` after others."""
    return LOANED + (count << 8 | place) + 1


def place_of(number: int) -> int:
    """The place of a loop that a request with such a number is for."""
    return (number - LOANED - 1) & 255


class Receipt(NamedTuple):
    """A request that was answered from a loan, for all accounts. Times are nanoseconds, `began` is on the monotonic clock.

    `key` is its connection's, `size` how many bytes the request had; `status`, `sent`, `cpu`, `queries`,
    `sql` and `tag` are those of an `Ending`. Texts are bytes; `client` is an address.
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
    method: bytes
    request_id: bytes
    target: bytes
    referer: bytes
    agent: bytes
    trace: bytes
    tag: bytes = b""


def pack_receipt(receipt: Receipt) -> bytes:
    """A receipt as it is in the pipe."""
    texts = b"".join(receipt[12:])
    sizes = map(len, receipt[12:19])
    return FIXED.pack(FIXED.size + len(texts), *receipt[:12], *sizes) + texts


def unpack_receipts(data: bytes) -> tuple[list[Receipt], bytes]:
    """The receipts in what was read from the pipe, and the beginning of one that is not whole yet. Raises struct.error."""
    found, start = [], 0
    while len(data) - start >= FIXED.size:
        size, *fields = FIXED.unpack_from(data, start)
        if size < FIXED.size:
            raise struct.error("a receipt is shorter than its beginning")
        if len(data) - start < size:
            break
        texts, place = [], start + FIXED.size
        for length in fields[12:]:
            texts.append(data[place : place + length])
            place += length
        if place > start + size:
            raise struct.error("a receipt's texts are longer than itself")
        found.append(Receipt._make((*fields[:12], *texts, data[place : start + size])))
        start += size
    return found, data[start:]
