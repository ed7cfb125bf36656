"""A body that is read from its client's socket: to its last byte and no further, however it comes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from tests.corpus import CASES
from tests.unit.descriptors import held, opened_since

from prefork.messages import Inflow
from prefork.worker.asgi.stopwatch import Stopwatch
from prefork.worker.asgi.upload import CutShort, Upload
from prefork.worker.asgi.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT = b"GET /next HTTP/1.1\r\n"
SECOND = 10**9


class Line:
    """A client, and the bodies that it sends."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.client, self.theirs = socket.socketpair()
        self.client.settimeout(10)
        self.watch = Watch(self.loop)
        self.waits = Stopwatch()
        self.uploads: list[Upload] = []

    def upload(self, left: int | None, beginning: bytes = b"", most: int = 1 << 20) -> Upload:
        upload = Upload(Inflow(left, most, 5.0, False), beginning, self.theirs, self.watch, self.waits)
        self.uploads.append(upload)
        return upload

    def read(self, upload: Upload, *pieces: bytes) -> bytes:
        """The whole body, of which these pieces come one at a time, each when all before it has been read."""
        coming = iter(pieces)

        async def whole() -> bytes:
            body = b""
            while not upload.ended:
                part = asyncio.ensure_future(upload.part())
                while not part.done():
                    await asyncio.sleep(0)
                    if upload.waiting and (piece := next(coming, None)):
                        self.client.sendall(piece)
                body += await part
            return body

        return self.loop.run_until_complete(asyncio.wait_for(whole(), 10))

    def close(self) -> None:
        for upload in self.uploads:
            upload.close()
        self.watch.close()
        self.loop.close()
        self.client.close()
        self.theirs.close()


@pytest.fixture
def line() -> Iterator[Line]:
    before = held()
    line = Line()
    yield line
    line.close()
    assert not opened_since(before), "descriptors are left open"


def left(line: Line) -> bytes:
    """What nobody has read."""
    line.client.shutdown(socket.SHUT_WR)
    return line.theirs.recv(1 << 20)


@pytest.mark.parametrize("beginning", [b"", b"ab"])
def test_so_many_bytes(line: Line, beginning: bytes) -> None:
    assert line.read(line.upload(5, beginning), b"cd", b"e", b"fg" + NEXT) == beginning + b"cdefg"
    assert left(line) == NEXT


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_chunks(line: Line, step: int) -> None:
    data = b"5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nA: b\r\n\r\n"
    pieces = [data[at : at + step] for at in range(2, len(data), step)]
    pieces[-1] += NEXT
    assert line.read(line.upload(None, data[:2]), *pieces) == b"hello world"
    assert left(line) == NEXT


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("chunk ")])
def test_the_corpus_byte_by_byte(line: Line, name: str) -> None:
    """A chunked body means the same here as where the dispatcher reads it."""
    case = CASES[name]
    data = case.sent.partition(b"\r\n\r\n")[2]
    upload = line.upload(None, data[:1])
    pieces = [bytes((byte,)) for byte in data[1:]]
    if case.served:
        assert line.read(upload, *pieces) == case.served[0].body, case.why
        assert not left(line)
    else:
        with pytest.raises(CutShort) as cut:
            line.read(upload, *pieces)
        assert cut.value.status == case.refused, case.why


@pytest.mark.parametrize(
    ("size", "block"), [(40 * 65_536, bytes(65_536)), (None, b"1\r\nx\r\n" * 10_922)], ids=["counted", "chunks"]
)
def test_what_comes_fast_lets_others_have_their_turn(line: Line, size: int | None, block: bytes) -> None:
    turns = 0

    async def reads() -> None:
        upload = line.upload(size)
        for _ in range(40):
            line.client.sendall(block)
            await upload.part()

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        counting = asyncio.ensure_future(counts())
        await asyncio.sleep(0)
        await reads()
        counting.cancel()

    line.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    line.loop.run_until_complete(both())
    assert turns >= 3


@pytest.mark.parametrize(
    ("beginning", "piece", "status"),
    [(b"1\r\na", b"bc\r\n", 400), (b"1\r\na\r\n", b"xx\r\n", 400), (b"6\r\nabc", b"def\r\n1\r\ng\r\n0\r\n\r\n", 413)],
)
def test_chunks_that_are_none_or_too_many(line: Line, beginning: bytes, piece: bytes, status: int) -> None:
    upload = line.upload(None, beginning, most=6)
    with pytest.raises(CutShort) as cut:
        line.read(upload, piece)
    assert cut.value.status == status
    with pytest.raises(CutShort):
        line.read(upload)


def test_an_end_before_the_last_byte(line: Line) -> None:
    upload = line.upload(5, b"a")
    line.client.sendall(b"bc")
    line.client.shutdown(socket.SHUT_WR)
    with pytest.raises(CutShort) as cut:
        line.read(upload)
    assert cut.value.status == 400


def test_a_silence_that_is_too_long(line: Line) -> None:
    upload = line.upload(5)

    async def silence() -> None:
        part = asyncio.ensure_future(upload.part())
        await asyncio.sleep(0)
        began = upload.silent
        upload.look(began + 5 * SECOND)
        await asyncio.sleep(0)
        assert not part.done()
        assert line.waits.inside == 1
        upload.look(began + 5 * SECOND + 1)
        await part

    with pytest.raises(CutShort) as cut:
        line.loop.run_until_complete(silence())
    assert cut.value.status == 408
    assert line.waits.inside == 0, "nobody waits any more"


def test_many_may_wait_and_one_may_give_up(line: Line) -> None:
    upload = line.upload(2)

    async def waits() -> list[bytes]:
        parts = [asyncio.ensure_future(upload.part()) for _ in range(3)]
        await asyncio.sleep(0)
        parts[0].cancel()
        line.client.sendall(b"x")
        await asyncio.wait(parts[1:], return_when=asyncio.FIRST_COMPLETED)
        line.client.sendall(b"y")
        return [await part for part in parts[1:]]

    assert sorted(line.loop.run_until_complete(waits())) == [b"x", b"y"]


@pytest.mark.parametrize(
    ("size", "come", "expected"),
    [(1000, 1000, True), (1000, 999, False), (1 << 20, 1 << 20, False)],
    ids=["all", "not all", "much"],
)
def test_what_nobody_wants(line: Line, size: int, come: int, expected: bool) -> None:
    line.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 << 20)
    line.client.settimeout(0)
    line.client.send(bytes(come))
    assert line.upload(size).skim() is expected


def test_closing_ends_the_wait(line: Line) -> None:
    upload = line.upload(5)

    async def closes() -> None:
        part = asyncio.ensure_future(upload.part())
        await asyncio.sleep(0)
        upload.close()
        await part

    with pytest.raises(CutShort):
        line.loop.run_until_complete(closes())
    assert not line.watch.callbacks
