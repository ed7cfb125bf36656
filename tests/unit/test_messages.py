"""What crosses process boundaries arrives whole, with its descriptors, or is said to be broken; and nothing is left open."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.descriptors import held, held_for_good, opened_since

from prefork.channel import Channel
from prefork.messages import (
    BROKEN,
    CLOEXEC_DONTWAIT,
    CONVERSATION,
    DONTWAIT,
    INLINE,
    KEEP,
    LIMIT,
    ONE_RIGHT,
    REST,
    WORN,
    Ending,
    Request,
    Truncated,
    has_more,
    inbox,
    pack_ending,
    pack_handover,
    pack_request,
    pack_rest,
    pair,
    receive,
    send,
    unpack_assignment,
    unpack_ending,
    unpack_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def wire() -> Iterator[Ends]:
    before = held()
    ends = pair()
    yield ends
    for end in ends:
        end.close()
    assert not opened_since(before), "descriptors are left open"


@pytest.fixture
def file() -> Iterator[int]:
    descriptor = os.memfd_create("file")
    os.write(descriptor, b"content")
    yield descriptor
    os.close(descriptor)


def same_file(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


# Records.

small = st.binary(max_size=30)
address = st.tuples(st.text(max_size=20), st.integers(0, 65535))
requests = st.builds(
    Request,
    number=st.integers(0, (1 << 48) - 1),
    attempt=st.integers(1, 2),
    method=st.sampled_from(["GET", "POST"]),
    target=small,
    version=st.sampled_from(["1.0", "1.1"]),
    headers=st.lists(st.tuples(small, small), max_size=10),
    body=st.one_of(st.none(), st.binary(max_size=200)),
    length=st.integers(0, 1 << 50),
    client=address,
    server=address,
    scheme=st.sampled_from(["http", "https"]),
    keep=st.booleans(),
    inflow=st.one_of(
        st.none(), st.tuples(st.one_of(st.none(), st.integers(0, 1 << 50)), st.integers(0), st.floats(0, 600), st.booleans())
    ),
    memo=st.none(),
)


@given(requests)
def test_requests(request: Request) -> None:
    assert unpack_request(pack_request(request)) == request
    assert unpack_assignment(pack_request(request)) == (request, None)
    assert unpack_assignment(pack_handover(request, CONVERSATION, b"early")) == (request, b"early")


def test_the_largest_request_fits_into_a_pair(wire: Ends) -> None:
    """A head of 64 KiB in a hundred headers, and the largest body that travels inside."""
    headers = [(b"%0300d" % n, bytes(352)) for n in range(100)]
    request = Request(
        1 << 47, 1, "GET", b"/" * 300, "1.1", headers, bytes(INLINE), INLINE, ("::1", 1), ("::1", 2), "https", True, "x" * 128
    )
    message = pack_request(request)
    assert len(message) <= LIMIT
    send(wire[0], message, flags=DONTWAIT)
    assert unpack_request(receive(wire[1], inbox())[0]) == request


@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 999),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 1 << 60),
    st.integers(0, 7),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 1 << 60),
    st.text(max_size=60),
)
def test_endings(number: int, status: int, sent: int, cpu: int, flags: int, queries: int, sql: int, tag: str) -> None:
    ending = unpack_ending(pack_ending(number, status, sent, cpu, flags, queries, sql, tag.encode()))
    keep, worn, broken = (bool(flags & flag) for flag in (KEEP, WORN, BROKEN))
    assert ending == Ending(number, status, sent, cpu, keep, worn, broken, queries, sql, tag)


@pytest.mark.parametrize("message", [b"", b"\1", b"\1" * 1000])
def test_what_is_no_ending(message: bytes) -> None:
    with pytest.raises(struct.error):
        unpack_ending(message)


def test_rests() -> None:
    assert pack_rest(b"abc") == bytes((REST,)) + b"abc"
    assert pack_ending(1, 200, 3, 4, 0)[0] != REST


# Wires.


def test_messages_keep_their_bounds(wire: Ends) -> None:
    for message in (b"a", b"bc" * 1000, b"d"):
        send(wire[0], message)
    buffer = inbox()
    assert [receive(wire[1], buffer)[0] for _ in range(3)] == [b"a", b"bc" * 1000, b"d"]


def test_descriptors_travel_and_are_not_inherited(wire: Ends, file: int) -> None:
    send(wire[0], b"x", [file, file])
    message, descriptors = receive(wire[1], inbox())
    assert message == b"x"
    assert all(same_file(descriptor, file) for descriptor in descriptors)
    assert not any(os.get_inheritable(descriptor) for descriptor in descriptors)
    assert len(descriptors) == 2
    for descriptor in descriptors:
        os.close(descriptor)


def test_the_end_of_a_wire(wire: Ends) -> None:
    wire[0].close()
    assert receive(wire[1], inbox()) == (b"", [])
    with pytest.raises(OSError):
        send(wire[1], b"x")


@pytest.mark.parametrize("looks", [True, False])
def test_the_last_words_are_heard_of_a_side_that_has_not_heard_all(wire: Ends, looks: bool) -> None:
    """The kernel says first that it was reset, once."""
    send(wire[0], b"what nobody reads")
    send(wire[1], b"last words")
    send(wire[1], b"really")
    wire[1].close()
    assert not looks or has_more(wire[0])
    assert [receive(wire[0], inbox())[0] for _ in range(3)] == [b"last words", b"really", b""]
    assert not has_more(wire[0])


def test_nothing_to_receive_and_no_room(wire: Ends) -> None:
    with pytest.raises(BlockingIOError):
        receive(wire[1], inbox(), CLOEXEC_DONTWAIT)
    sent = 0
    with suppress(BlockingIOError):
        while sent < 1000:
            send(wire[0], bytes(10_000), flags=DONTWAIT)
            sent += 1
    assert 0 < sent < 1000


def test_a_message_that_is_too_long_is_no_message(wire: Ends, file: int) -> None:
    send(wire[0], bytes(LIMIT + 1), [file])
    with pytest.raises(Truncated):
        receive(wire[1], inbox())


def test_more_descriptors_than_expected_are_a_fault_and_are_closed(wire: Ends, file: int) -> None:
    send(wire[0], b"x", [file, file])
    with pytest.raises(Truncated):
        receive(wire[1], inbox(), space=ONE_RIGHT)


def test_a_message_of_nothing_but_descriptors_is_a_fault_and_not_the_end_of_the_wire(wire: Ends, file: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    wire[0].sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", file))])
    with pytest.raises(Truncated):
        receive(wire[1], inbox())
    assert len(os.listdir("/proc/self/fd")) == before


# Channels.


def receives(channel: Channel) -> tuple[dict[str, object] | None, list[int]]:
    return channel.receive(CLOEXEC_DONTWAIT)


def test_channels_carry_objects(wire: Ends, file: int) -> None:
    one, other = Channel(wire[0]), Channel(wire[1])
    one.send("add", [file], slot=3, name="ä")
    said, descriptors = receives(other)
    assert said == {"kind": "add", "slot": 3, "name": "ä"}
    assert [same_file(descriptor, file) for descriptor in descriptors] == [True]
    os.close(descriptors[0])
    with pytest.raises(BlockingIOError):
        receives(other)


def test_what_does_not_fit_waits_in_order_with_its_descriptors(wire: Ends, file: int) -> None:
    one, other = Channel(wire[0]), Channel(wire[1])
    sent = 0
    while not one.waiting:
        one.send("x", number=sent, padding="x" * 10_000)
        sent += 1
    copy = os.dup(file)
    one.send("y", [copy], number=sent)
    os.close(copy)  # the caller may
    for number in range(sent + 1):
        one.flush()
        said, descriptors = receives(other)
        assert said
        assert said["number"] == number
    assert [same_file(descriptor, file) for descriptor in descriptors] == [True]
    os.close(descriptors[0])
    assert not one.waiting


def fill(channel: Channel, file: int) -> None:
    while len(channel.waiting) < 3:
        channel.send("x", [file], padding="x" * 10_000)


def close(one: Channel, other: Channel) -> None:
    one.close()
    assert not one.waiting


def leave(one: Channel, other: Channel) -> None:
    other.close()
    one.flush()
    assert one.broken
    one.send("swallowed")
    assert not one.waiting


@pytest.mark.parametrize("end", [close, leave])
def test_what_waits_is_closed_when_the_wire_ends(wire: Ends, file: int, end: Callable[[Channel, Channel], None]) -> None:
    one, other = Channel(wire[0]), Channel(wire[1])
    before = held_for_good()
    fill(one, file)
    assert len(opened_since(before)) >= 3
    end(one, other)
    assert not opened_since(before)


def test_the_end_of_a_channel(wire: Ends) -> None:
    one, other = Channel(wire[0]), Channel(wire[1])
    one.send("last")
    one.close()
    assert receives(other) == ({"kind": "last"}, [])
    assert receives(other) == (None, [])
