"""Chunked bodies: the same bytes however they arrive, the same end, and nothing else accepted."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.http.chunks import LONGEST_LINE, LONGEST_TRAILERS, Chunks, Garbled

REST = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"


def decode(*parts: bytes) -> tuple[bytes, bytes, bool]:
    """Body, what follows it, and whether it is complete."""
    chunks, rest, body = Chunks(), b"", b""
    for part in parts:
        rest += part if chunks.done else chunks.feed(part)
        body += chunks.take()
    return body, rest, chunks.done


def encode(blocks: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = [b"%x%b\r\n%b\r\n" % (len(block), extension, block) for block in blocks if block]
    return b"".join([*chunks, b"0", extension, b"\r\n", trailers, b"\r\n"])


@settings(max_examples=300)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"0\r\n\r\n", b"\n" * 20])), max_size=6),
    st.sampled_from([b"", b";a", b';a="b c;d";e=f', b";" + b"x" * 200]),
    st.sampled_from([b"", b"T: x\r\n", b"A:\r\nB: c d\r\n"]),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_any_split_gives_the_same_bytes_and_the_same_rest(
    blocks: list[bytes], extension: bytes, trailers: bytes, cuts: list[int]
) -> None:
    data = encode(blocks, extension, trailers) + REST
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    assert decode(*parts) == (b"".join(blocks), REST, True)


def test_byte_by_byte() -> None:
    data = encode([b"abc", b"\r\n" * 5], b";x=y", b"T: x\r\n") + REST
    assert decode(*(bytes((byte,)) for byte in data)) == (b"abc" + b"\r\n" * 5, REST, True)


def test_not_complete_before_the_last_byte() -> None:
    data = encode([b"abc"], trailers=b"T: x\r\n")
    for end in range(len(data)):
        assert not decode(data[:end])[2]
    assert decode(data) == (b"abc", b"", True)


@pytest.mark.parametrize("size", [b"A", b"a", b"0a", b"00000000000000a"])
def test_sizes(size: bytes) -> None:
    assert decode(size + b"\r\n0123456789\r\n0\r\n\r\n") == (b"0123456789", b"", True)


BROKEN = {
    "no size": b"\r\n",
    "no number": b"g\r\n",
    "prefix": b"0x5\r\nabcde\r\n",
    "sign": b"+5\r\nabcde\r\n",
    "minus": b"-5\r\nabcde\r\n",
    "underscore": b"1_0\r\n",
    "leading space": b" 5\r\nabcde\r\n",
    "trailing space": b"5 \r\nabcde\r\n",
    "too many digits": b"0000000000000005\r\nabcde\r\n",
    "overflow": b"ffffffffffffffff5\r\n",
    "bare LF after the size": b"5\nabcde\r\n",
    "extension without a name": b"5;\r\nabcde\r\n",
    "extension without its value": b"5;a=\r\nabcde\r\n",
    "open quotes in an extension": b'5;a="b\r\nabcde\r\n',
    "space in an extension": b"5;a b\r\nabcde\r\n",
    "bare CR in an extension": b"5;a\rb\r\nabcde\r\n",
    "NUL in an extension": b"5;a\0b\r\nabcde\r\n",
    "longer than it says": b"5\r\nabcdef\r\n",
    "shorter than it says": b"5\r\nabcd\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nabcde\n0\r\n\r\n",
    "CR CR after the data": b"5\r\nabcde\r\r\n",
    "bare LF as the end": b"0\r\n\n",
    "bare LF after the last size": b"0\n\r\n",
    "request as trailer": b"0\r\nGET /admin HTTP/1.1\r\n\r\n",
    "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "control character in a trailer": b"0\r\nA: \0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    for parts in ([BROKEN[name]], [bytes((byte,)) for byte in BROKEN[name]]):
        with pytest.raises(Garbled):
            decode(*parts)


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_so_behind_another_chunk(name: str) -> None:
    for data in (b"3\r\nabc\r\n", b"3\r\nabc\r\n1\r\na\r\n"):
        with pytest.raises(Garbled):
            decode(data + BROKEN[name])


@pytest.mark.parametrize("step", [1 << 20, 100])
@pytest.mark.parametrize(
    "data", [b"5;" + b"x" * LONGEST_LINE, b"1\r\na\r\n" + b"0" * 10**5, b"0\r\n" + b"A: b\r\n" * (LONGEST_TRAILERS // 6 + 1)]
)
def test_endless_lines_and_trailers(data: bytes, step: int) -> None:
    with pytest.raises(Garbled, match="too long"):
        decode(*(data[at : at + step] for at in range(0, len(data), step)))


class Llhttp:
    """llhttp's opinion, through a request of its own."""

    def __init__(self, data: bytes) -> None:
        self.body, self.done = b"", False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            parser.feed_data(data)
            self.refused = False
        except httptools.HttpParserError:
            self.refused = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


PIECES = [b"0", b"1", b"2", b"a", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b";", b":", b"x", b"0\r\n\r\n", b"2\r\nab\r\n"]
soup = st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join)


@settings(max_examples=500)
@given(soup)
def test_what_is_accepted_llhttp_accepts_too(data: bytes) -> None:
    """Strictness may differ, meaning may not: otherwise one of us could be made to see another request."""
    try:
        body, rest, done = decode(data + b"\r\n0\r\n\r\n")
    except Garbled:
        return
    if not done:
        return
    data = (data + b"\r\n0\r\n\r\n").removesuffix(rest)
    theirs = Llhttp(data)
    assert not theirs.refused
    assert (theirs.body, theirs.done) == (body, True)
