"""Bodies on their way in: counted or chunked, in memory or in a file, and never more than is allowed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@settings(max_examples=100, deadline=None)
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
    Intake(10, 10)
    with pytest.raises(Refused, match="max_body_size") as caught:
        Intake(11, 10)
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
    intake.discard()


def test_no_room_is_said_and_what_was_written_is_let_go(tmp_path: Path) -> None:
    before = open_descriptors()
    intake = Intake(INLINE + 1, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        intake.write(-1)
    intake.discard()
    assert open_descriptors() == before


def test_letting_go_closes_the_file(directory: int) -> None:
    before = open_descriptors()
    intake = Intake(2 * INLINE, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.write(directory)
    assert len(open_descriptors() - before) == 1
    intake.discard()
    intake.discard()
    assert open_descriptors() == before


def test_a_taken_file_is_the_takers(directory: int) -> None:
    intake = Intake(INLINE + 1, MOST)
    intake.feed(bytes(INLINE + 1))
    intake.write(directory)
    descriptor = intake.take()
    intake.discard()
    assert isinstance(descriptor, int)
    assert os.fstat(descriptor).st_size == INLINE + 1
    os.close(descriptor)
