"""What waits for a client: in order, joined where that saves something, never twice, and nothing of a file that is left open."""

from __future__ import annotations

import os
import select
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.descriptors import held, held_for_good, opened_since

from prefork.dispatcher import outbox as module
from prefork.dispatcher.disk import SHARE
from prefork.dispatcher.outbox import JOINED, Extent, Flow, Outbox, carry

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = bytes(range(256)) * 4096  # a megabyte


def closed(extent: Extent) -> None:
    os.close(extent.descriptor)


def memory(data: bytes = DATA) -> int:
    descriptor = os.memfd_create("file")
    os.write(descriptor, data)
    return descriptor


class Pair:
    """A TCP connection; the client's side reads when the test says so."""

    def __init__(self, room: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
            self.client = socket.socket()
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            self.client.connect(listener.getsockname())
            self.ours, _ = listener.accept()
        self.client.settimeout(5)

    def read(self, most: int = 1 << 20) -> bytes:
        """What has arrived, if anything has."""
        return self.client.recv(most) if select.select([self.client], [], [], 0.1)[0] else b""

    def segments(self) -> int:
        """How many segments our side has sent that had data: tcpi_data_segs_out of tcp(7)."""
        told = self.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        return int.from_bytes(told[156:], sys.byteorder)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            block = self.client.recv(count - len(data))
            assert block
            data += block
        return data


@contextmanager
def connected(room: int) -> Iterator[Pair]:
    before = held()
    made = Pair(room)
    try:
        yield made
    finally:
        made.client.close()
        made.ours.close()
    assert not opened_since(before), "descriptors are left open"


@pytest.fixture
def narrow() -> Iterator[Pair]:
    with connected(4096) as pair:
        yield pair


@pytest.fixture
def wide() -> Iterator[Pair]:
    with connected(1 << 22) as pair:
        yield pair


@pytest.fixture(params=["narrow", "wide"])
def pair(request: pytest.FixtureRequest) -> Pair:
    made: Pair = request.getfixturevalue(request.param)
    return made


def drain(outbox: Outbox, pair: Pair) -> bytes:
    """Send everything as the loop and a thread do it in turn, while the client reads; what it got."""
    got = b""
    for _ in range(100_000):
        flow = outbox.flush(pair.ours)
        if flow is Flow.FILE:
            outbox.sent(outbox.carrying(pair.ours)().size)
        if flow is Flow.EMPTY:
            break
        while data := (pair.client.recv(1 << 20) if select.select([pair.client], [], [], 0)[0] else b""):
            got += data
    assert not outbox
    pair.ours.shutdown(socket.SHUT_WR)
    while data := pair.client.recv(1 << 20):
        got += data
    return got


# Adding.


def test_small_parts_are_joined() -> None:
    outbox = Outbox(closed)
    for _ in range(1000):
        outbox.add(b"x")
    assert outbox.parts == [b"x" * 1000]
    outbox.add(bytes(JOINED))
    outbox.add(b"y")
    assert [len(part) for part in outbox.parts] == [1000, JOINED, 1]
    assert outbox.held == 1000 + JOINED + 1


def test_the_parts_of_a_spool_are_one() -> None:
    before = held_for_good()
    outbox, spool = Outbox(closed), memory()
    for start in range(0, 1000, 100):
        outbox.add(Extent(os.dup(spool), start, 100, growing=True))
    (extent,) = outbox.parts
    assert isinstance(extent, Extent)
    assert (extent.offset, extent.end, len(extent)) == (0, 1000, 1000)
    assert outbox.held == 0
    os.close(spool)
    assert len(opened_since(before)) == 1
    outbox.clear()
    assert not opened_since(before)


def test_other_parts_are_not() -> None:
    outbox = Outbox(closed)
    outbox.add(Extent(memory(), 0, 100, growing=True))
    outbox.add(Extent(memory(), 200, 100, growing=True))  # a gap
    outbox.add(b"between")
    outbox.add(Extent(memory(), 300, 100, growing=True))
    outbox.add(Extent(memory(), 400, 100))  # another file
    outbox.add(Extent(memory(), 500, 100, growing=True))
    assert len(outbox.parts) == 6
    outbox.clear()
    assert not outbox
    assert outbox.held == 0


def test_a_part_that_is_being_sent_can_still_grow(narrow: Pair) -> None:
    outbox = Outbox(closed)
    outbox.add(Extent(memory(), 0, 100, growing=True))
    outbox.carrying(narrow.ours)  # a thread has begun
    outbox.add(Extent(memory(), 100, 50, growing=True))
    outbox.sent(100)
    assert len(outbox.first()) == 50
    outbox.sent(50)
    assert not outbox


# Sending.


def test_everything_arrives_in_order(pair: Pair) -> None:
    outbox = Outbox(closed)
    for part in (b"head", Extent(memory(), 5, 500_000), b"middle", Extent(memory(), 0, 1), Extent(memory(), 900_000, 1000), b"end"):
        outbox.add(part)
    assert drain(outbox, pair) == b"head" + DATA[5:500_005] + b"middle" + DATA[:1] + DATA[900_000:901_000] + b"end"
    assert outbox.held == 0


PARTS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=50), st.tuples(st.integers(0, 1 << 19), st.integers(1, 1 << 19))), max_size=8
)


@settings(max_examples=25)
@given(PARTS, st.sampled_from([4096, 100_000]))
def test_any_parts(parts: list[bytes | tuple[int, int]], room: int) -> None:
    outbox, expected = Outbox(closed), b""
    with connected(room) as pair:
        for part in parts:
            if isinstance(part, bytes):
                outbox.add(part)
                expected += part
            else:
                outbox.add(Extent(memory(), *part))
                expected += DATA[part[0] : sum(part)]
        assert drain(outbox, pair) == expected


def test_a_turn_is_limited(pair: Pair) -> None:
    outbox = Outbox(closed)
    outbox.parts = [b"x"] * (module.TURN + 1)
    outbox.held = module.TURN + 1
    assert outbox.flush(pair.ours) is Flow.MORE
    assert (outbox.parts, outbox.held) == ([b"x"], 1)
    assert outbox.flush(pair.ours) is Flow.EMPTY
    assert pair.exactly(module.TURN + 1) == b"x" * (module.TURN + 1)


def test_a_full_socket_takes_a_part_of_a_part(narrow: Pair) -> None:
    outbox = Outbox(closed)
    outbox.add(DATA)
    assert outbox.flush(narrow.ours) is Flow.MORE
    assert 0 < outbox.held < len(DATA)
    assert outbox.flush(narrow.ours) is Flow.MORE
    assert outbox.parts == [DATA[len(DATA) - outbox.held :]]


def test_a_head_waits_for_the_file_behind_it_and_both_share_a_segment(wide: Pair) -> None:
    """MSG_MORE: the kernel holds what is less than a segment back for a moment."""
    outbox = Outbox(closed)
    outbox.add(b"head")
    outbox.add(Extent(memory(), 0, 10))
    assert outbox.flush(wide.ours) is Flow.FILE
    outbox.sent(outbox.carrying(wide.ours)().size)
    assert wide.exactly(14) == b"head" + DATA[:10]
    assert wide.segments() == 1
    outbox.add(b"alone")
    assert outbox.flush(wide.ours) is Flow.EMPTY
    assert select.select([wide.client], [], [], 1)[0], "nothing follows: it goes at once"


def test_a_client_that_is_gone_is_told(pair: Pair) -> None:
    outbox = Outbox(closed)
    outbox.add(b"x")
    pair.ours.shutdown(socket.SHUT_WR)
    with pytest.raises(OSError):
        outbox.flush(pair.ours)
    outbox.clear()


# Carrying, in a thread.


def test_carry_sends_as_much_as_the_socket_takes(narrow: Pair) -> None:
    descriptor = memory()
    offset = 100
    while (sent := carry(narrow.ours, descriptor, offset, len(DATA))).size:
        assert sent.full
        offset += sent.size
    assert sent == (0, True)
    assert 100 < offset < len(DATA)
    assert narrow.exactly(offset - 100) == DATA[100:offset]
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == len(DATA), "the position is shared, and not ours"
    os.close(descriptor)


def test_carry_stops_at_its_end(wide: Pair) -> None:
    descriptor = memory()
    assert carry(wide.ours, descriptor, 10, 20) == (10, False)
    assert carry(wide.ours, descriptor, 20, 20) == (0, False)
    assert wide.exactly(10) == DATA[10:20]
    os.close(descriptor)


def test_a_share_is_limited(narrow: Pair) -> None:
    outbox = Outbox(closed)
    outbox.add(Extent(memory(b""), 5, 1 << 30))
    assert outbox.carrying(narrow.ours).args[2:] == (5, 5 + SHARE)  # type: ignore[attr-defined]
    outbox.clear()


def test_a_file_that_has_become_shorter_is_said(pair: Pair) -> None:
    descriptor = memory(b"short")
    with pytest.raises(EOFError):
        carry(pair.ours, descriptor, 0, 100)
    assert pair.exactly(5) == b"short"
    with pytest.raises(EOFError):
        carry(pair.ours, descriptor, 50, 100)
    os.close(descriptor)


def test_a_disk_that_fails_is_said(pair: Pair) -> None:
    directory = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(OSError):
        carry(pair.ours, directory, 0, 100)
    os.close(directory)


def test_the_socket_stays_as_it_is(pair: Pair) -> None:
    """It is shared with workers."""
    descriptor = memory()
    carry(pair.ours, descriptor, 0, len(DATA))
    assert pair.ours.getblocking()
    assert pair.ours.gettimeout() is None
    os.close(descriptor)
