"""Bodies on their way in: counted or chunked, in memory or in a file, and never more than is allowed."""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.descriptors import held_for_good, opened_since

from prefork.dispatcher.intake import Intake
from prefork.http.head import Refused
from prefork.messages import INLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST = 1 << 30


def contents(body: bytes | int) -> bytes:
    if isinstance(body, bytes):
        return body
    try:
        return os.pread(body, 1 << 24, 0)
    finally:
        os.close(body)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@settings(max_examples=100)
@given(st.binary(max_size=60), st.binary(max_size=20), st.lists(st.integers(1, 20), max_size=20), st.booleans())
def test_any_split(body: bytes, rest: bytes, steps: list[int], chunked: bool) -> None:
    sent = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
    intake, data, over = Intake(None if chunked else len(body), MOST), sent + rest, b""
    for step in [*steps, len(data)]:
        if intake.complete():
            over += data[:step]
        else:
            over += intake.feed(data[:step])
        data = data[step:]
    assert intake.complete()
    assert (contents(intake.take()), intake.size, over) == (body, len(body), rest)


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, 3 * INLINE + 5])
@pytest.mark.parametrize("step", [1000, 1 << 20])
@pytest.mark.parametrize("batch", [1, 50_000, 1 << 20])
def test_large_bodies_go_to_a_file(directory: int, size: int, step: int, batch: int) -> None:
    body = os.urandom(size)
    intake = Intake(size, MOST)
    for at in range(0, size, step):
        assert intake.feed(body[at : at + step]) == b""
        if intake.unwritten >= batch:
            intake.write(directory)
    assert intake.complete()
    if intake.unwritten:
        intake.write(directory)
    assert intake.unwritten == 0
    taken = intake.take()
    assert isinstance(taken, bytes) == (size <= INLINE)
    assert contents(taken) == body


def test_incomplete_until_the_last_byte() -> None:
    intake = Intake(3, MOST)
    assert intake.feed(b"ab") == b""
    assert not intake.complete()
    assert intake.feed(b"cGET") == b"GET"
    assert intake.complete()


def test_too_long_by_its_own_word() -> None:
    Intake(10, 10).expect()
    with pytest.raises(Refused, match="max_body_size") as caught:
        Intake(11, 10).expect()
    assert caught.value.status == 413


def test_too_long_in_chunks() -> None:
    intake = Intake(None, 10)
    intake.feed(b"a\r\n0123456789\r\n")
    with pytest.raises(Refused, match="max_body_size") as caught:
        intake.feed(b"1\r\nx\r\n")
    assert caught.value.status == 413


def test_a_file_has_no_name(directory: int, tmp_path: Path) -> None:
    intake = Intake(INLINE + 1, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.write(directory)
    assert os.listdir(tmp_path) == []
    intake.discard(os.close)


def test_no_room_is_said_and_what_was_written_is_let_go(tmp_path: Path) -> None:
    before = held_for_good()
    intake = Intake(INLINE + 1, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        intake.write(-1)
    intake.discard(os.close)
    assert not opened_since(before)


def test_letting_go_closes_the_file(directory: int) -> None:
    before = held_for_good()
    intake = Intake(2 * INLINE, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.write(directory)
    assert len(opened_since(before)) == 1
    intake.discard(os.close)
    intake.discard(os.close)
    assert not opened_since(before)


def test_a_taken_file_is_the_takers(directory: int) -> None:
    intake = Intake(INLINE + 1, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.write(directory)
    descriptor = intake.take()
    intake.discard(os.close)
    assert isinstance(descriptor, int)
    assert os.fstat(descriptor).st_size == INLINE + 1
    os.close(descriptor)


# Straight from the socket to the file.


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def drawn(intake: Intake, ends: tuple[socket.socket, socket.socket], directory: int, sent: bytes) -> bool:
    """Send, and draw until there is nothing more."""
    ours, theirs = ends
    sender = threading.Thread(target=theirs.sendall, args=(sent,))
    sender.start()
    alive = True
    while alive and not intake.complete() and (sender.is_alive() or select.select([ours], [], [], 0)[0]):
        alive = intake.draw(ours, directory)
    sender.join(5)
    return alive


@pytest.mark.parametrize("early", [0, 1, INLINE, 2 * INLINE])
def test_the_rest_of_a_large_body_is_drawn(directory: int, ends: tuple[socket.socket, socket.socket], early: int) -> None:
    body = os.urandom(20 * INLINE)
    intake = Intake(len(body), MOST)
    intake.feed(body[:early])
    assert intake.plain
    assert drawn(intake, ends, directory, body[early:] + b"GET")
    assert intake.complete()
    assert not intake.plain
    assert (intake.size, intake.unwritten) == (len(body), 0)
    taken = intake.take()
    assert isinstance(taken, int)
    assert contents(taken) == body
    assert ends[0].recv(10) == b"GET", "what is behind it stays where it is"


def test_reading_and_drawing_in_turn(directory: int, ends: tuple[socket.socket, socket.socket]) -> None:
    body = os.urandom(4 * INLINE)
    intake = Intake(len(body), MOST)
    for start in range(0, len(body), INLINE):
        part = body[start : start + INLINE]
        if start % (2 * INLINE):
            ends[1].sendall(part)
            assert intake.draw(ends[0], directory)
        else:
            intake.feed(part)
            intake.write(directory)
    assert intake.complete()
    assert contents(intake.take()) == body


def test_a_share_is_limited(directory: int, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.dispatcher.intake.SHARE", 1000)
    intake = Intake(10 * INLINE, MOST)
    ends[1].sendall(bytes(5000))
    for size in (1000, 2000):
        assert intake.draw(ends[0], directory)
        assert intake.size == intake.written == size
    intake.discard(os.close)


def test_nothing_is_there_yet(directory: int, ends: tuple[socket.socket, socket.socket]) -> None:
    intake = Intake(10 * INLINE, MOST)
    assert intake.draw(ends[0], directory)
    assert (intake.size, intake.left) == (0, 10 * INLINE)
    intake.discard(os.close)


def test_a_client_that_has_gone_while_it_is_drawn(directory: int, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    intake = Intake(10 * INLINE, MOST)
    theirs.sendall(bytes(100))
    theirs.shutdown(socket.SHUT_WR)
    assert not intake.draw(ours, directory)
    assert intake.size == 100
    intake.discard(os.close)


def test_a_disk_that_fails_while_it_is_drawn(ends: tuple[socket.socket, socket.socket]) -> None:
    intake = Intake(10 * INLINE, MOST)
    intake.descriptor = os.open("/dev/full", os.O_WRONLY)
    ends[1].sendall(bytes(100))
    with pytest.raises(OSError, match="No space left"):
        intake.draw(ends[0], -1)
    intake.discard(os.close)


def test_what_is_not_drawn() -> None:
    assert not Intake(INLINE, MOST).plain, "a small one"
    assert not Intake(None, MOST).plain, "somebody has to look at chunks"
