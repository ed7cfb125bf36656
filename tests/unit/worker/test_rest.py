"""What a client does not read: a little in messages, more in a file, and what fits nowhere while the worker waits."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from prefork import spool
from prefork.messages import FILE, INLINE, NOSIGNAL, REST, SPOOLED, inbox, receive, send, unpack_extent
from prefork.scoreboard import WAITING_SINCE
from prefork.worker import rest as module
from prefork.worker.asgi.backlog import Backlog
from prefork.worker.asgi.stopwatch import Stopwatch
from prefork.worker.rest import IN_MEMORY, Rest

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from .conftest import Bench

MOST = 1 << 20


@pytest.fixture
def rest(bench: Bench) -> Iterator[Rest]:
    made = Rest(bench.worker, bench.slot, bench.means.spool, MOST)
    yield made
    made.close()


@pytest.mark.parametrize(("size", "seconds"), [(IN_MEMORY, 0.0), (IN_MEMORY + 1, 0.00079), (10 << 20, 0.0315), (1 << 30, 0.04)])
def test_a_worker_waits_for_no_longer_than_a_spool_would_take(rest: Rest, size: int, seconds: float) -> None:
    assert rest.patience(size) == pytest.approx(seconds, rel=0.01)


def test_an_event_loop_waits_for_nobody(bench: Bench) -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        assert Backlog(loop, bench.worker, bench.slot, bench.means.spool, MOST, Stopwatch()).patience(1 << 30) == 0


def fill(rest: Rest, bench: Bench) -> None:
    """Use up what may wait in memory."""
    rest.hand_on(memoryview(bytes(IN_MEMORY)))
    assert [len(data) for data, _ in bench.rests()] == [INLINE] * (IN_MEMORY // INLINE)


def heard(bench: Bench, rest: Rest, data: bytes) -> bytes:
    """Hand on so much that the worker has to wait, and hear it as the dispatcher does. It says that it waits, and since when."""
    worker = threading.Thread(target=rest.hand_on, args=(memoryview(data),))
    worker.start()
    said, waits = b"", 0
    while len(said) < len(data):
        message, descriptors = receive(bench.dispatcher, inbox())
        assert (message[0], descriptors) == (REST, [])
        waits += bench.slot[WAITING_SINCE] > 0
        said += message[1:]
    worker.join()
    assert waits, "it waited, and did not say so"
    return said


def test_a_little_waits_in_memory(bench: Bench, rest: Rest) -> None:
    data = os.urandom(INLINE + 10)
    rest.hand_on(memoryview(data)[4:])
    parts = list(bench.rests())
    assert [len(part) for part, _ in parts] == [INLINE, 6]
    assert not any(in_file for _, in_file in parts)
    assert b"".join(part for part, _ in parts) == data[4:]


def test_more_waits_in_one_file_without_a_name(bench: Bench, rest: Rest) -> None:
    fill(rest, bench)
    data = os.urandom(300_000)
    for start in range(0, len(data), 100_000):
        rest.hand_on(memoryview(data)[start : start + 100_000])
    extents, inodes = [], set()
    for _ in range(3):
        message, (descriptor,) = receive(bench.dispatcher, inbox())
        assert message[0] == SPOOLED
        extents.append(unpack_extent(message))
        inodes.add(os.fstat(descriptor).st_ino)
        offset, count = extents[-1]
        assert os.pread(descriptor, count, offset) == data[offset : offset + count]
        os.close(descriptor)
    assert extents == [(0, 100_000), (100_000, 100_000), (200_000, 100_000)]
    assert len(inodes) == 1
    assert os.listdir(bench.means.spool) == []
    assert bench.slot[WAITING_SINCE] == 0


def test_no_more_than_is_allowed_waits_in_the_file(bench: Bench, rest: Rest) -> None:
    fill(rest, bench)
    rest.hand_on(memoryview(bytes(MOST - 10)))
    assert [in_file for _, in_file in bench.rests()] == [True]
    data = os.urandom(500_000)
    assert heard(bench, rest, data) == data
    assert bench.slot[WAITING_SINCE] == 0
    rest.hand_on(memoryview(b"0123456789"))
    assert list(bench.rests()) == [(b"0123456789", True)], "what still fits goes there again"


def test_a_full_disk_lets_the_worker_wait(bench: Bench, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rest, bench)
    tried = 0

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        """Takes a part before it is full."""
        nonlocal tried
        tried += 1
        if tried == 1:
            return 10
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    data = os.urandom(500_000)
    assert heard(bench, rest, data) == data, "also the bytes that were written"
    assert heard(bench, rest, data) == data
    assert tried == 2, "a full disk is not tried again for this answer"
    assert bench.slot[WAITING_SINCE] == 0


def unsent(wire: socket.socket, message: bytes, descriptors: tuple[int, ...] = (), flags: int = NOSIGNAL) -> None:
    """As `send` where too many descriptors are on their way already, of all processes of a user."""
    if descriptors:
        raise OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")
    send(wire, message, (), flags)


def test_where_no_descriptor_can_be_sent_the_worker_waits_too(bench: Bench, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rest, bench)
    monkeypatch.setattr(module, "send", unsent)
    data = os.urandom(500_000)
    assert heard(bench, rest, data) == data


def test_an_answer_whose_file_cannot_be_sent_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a head by then that tells of all its bytes, and its client would take the next answer for them."""
    monkeypatch.setattr(module, "send", unsent)
    file = os.memfd_create("file")
    os.ftruncate(file, 300_000)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "300000")])
        return environ["wsgi.file_wrapper"](os.fdopen(file, "rb"))

    reply = bench.run(app)
    assert reply.failed
    assert not reply.keep


def test_without_a_file_the_worker_waits_too(bench: Bench, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rest, bench)

    def none(directory: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(spool, "create", none)
    data = os.urandom(500_000)
    assert heard(bench, rest, data) == data
    rest.close()
    monkeypatch.undo()
    fill(rest, bench)
    rest.hand_on(memoryview(b"next"))
    assert list(bench.rests()) == [(b"next", True)], "the next answer tries again"


def test_each_answer_has_its_own_file_and_memory(bench: Bench, rest: Rest) -> None:
    for _ in range(3):
        fill(rest, bench)
        rest.hand_on(memoryview(b"spooled"))
        assert list(bench.rests()) == [(b"spooled", True)]
        rest.close()
    assert rest.descriptor == -1


def test_a_file_of_the_application(bench: Bench, rest: Rest) -> None:
    descriptor = os.memfd_create("theirs")
    os.write(descriptor, b"0123456789")
    rest.hand_on_file(descriptor, 2, 5)
    os.close(descriptor)
    message, (copy,) = receive(bench.dispatcher, inbox())
    assert message[0] == FILE
    assert unpack_extent(message) == (2, 5)
    assert os.pread(copy, 5, 2) == b"23456"
    os.close(copy)


def test_when_the_dispatcher_is_gone(bench: Bench, rest: Rest) -> None:
    bench.dispatcher.close()
    with pytest.raises(OSError):
        rest.hand_on(memoryview(b"x"))
