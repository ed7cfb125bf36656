"""Two other strict parsers look at whatever we serve: what we take for one request, they take for the same one.

`h11` is written for strictness and shares no code with us. `httptools` reads our heads, here with its own decoder of bodies too.
Known differences, none of them about where a request ends: an Upgrade stops llhttp behind the head, and what `plain` leaves out.
"""

from __future__ import annotations

import random
from itertools import pairwise

import h11
import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus import CASES, NEXT
from tests.corpus.mutation import mutate

from prefork.http.head import URL

from .conversation import Served, converse

SHORT = [case.sent for case in CASES.values() if len(case.sent) < 3000]
Told = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]
"""Method, target, headers and body."""


def ours(served: Served, raw: bytes) -> Told:
    """What we take a request for, before the two things that we change: the form of its target, and the host that this names."""
    target = raw.split(b" ", 2)[1]
    return served.head.method, target, plain(served.head.headers, target), served.body


def plain(headers: list[tuple[bytes, bytes]], target: bytes) -> list[tuple[bytes, bytes]]:
    """Headers to compare: not those that we drop (with an underscore, `Proxy`), and not the Host that a URL as target replaces."""
    url = URL.match(target)
    values = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]
    return [(n, v) for n, v in values if b"_" not in n and n != b"proxy" and not (url and n == b"host")]


def h11_told(raw: bytes) -> Told:
    """What h11 takes the bytes for; they must be one request and nothing behind it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(raw)
    request = connection.next_event()
    assert isinstance(request, h11.Request), request
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        body += event.data
    assert connection.trailing_data[0] == b"", "h11 takes the request to end earlier"
    return request.method.decode(), request.target, plain(list(request.headers), request.target), body


class Llhttp:
    """What llhttp takes the bytes for; they must be one request and nothing behind it."""

    def __init__(self, raw: bytes) -> None:
        self.target = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = self.trailing = False
        parser = httptools.HttpRequestParser(self)
        self.upgraded = False
        try:
            parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            self.upgraded = True  # it stops behind the head, body or not
        self.method = parser.get_method().decode()
        self.told: Told = self.method, self.target, plain(self.headers, self.target), self.body

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.trailing:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.trailing = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        assert not self.complete, "llhttp takes it for two requests"
        self.complete = True


def compare(data: bytes) -> None:
    """Let the others read each request that we serve, from its first to its last byte."""
    for served in converse([data]).served:
        raw = data[served.start : served.end]
        told = ours(served, raw)
        assert h11_told(raw) == told
        llhttp = Llhttp(raw)
        assert llhttp.told[:3] == told[:3]
        if not llhttp.upgraded:
            assert llhttp.complete
            assert llhttp.body == served.body


@pytest.mark.parametrize("name", CASES)
def test_the_corpus_means_the_same_to_others(name: str) -> None:
    compare(CASES[name].sent + NEXT)


near_misses = st.builds(
    lambda seed, chosen, changes: mutate(b"".join(chosen) + NEXT, random.Random(seed), changes),
    st.integers(0, 1 << 32),
    st.lists(st.sampled_from(SHORT), min_size=1, max_size=3),
    st.integers(0, 5),
)


@settings(max_examples=1500)
@given(near_misses)
def test_near_misses_mean_the_same_to_others(data: bytes) -> None:
    compare(data)


@settings(max_examples=1000)
@given(near_misses, st.lists(st.integers(0, 1 << 16), max_size=6))
def test_how_bytes_are_split_changes_nothing(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    whole, split = converse([data]), converse([data[a:b] for a, b in pairwise(edges)])
    assert (split.served, split.refused, split.open) == (whole.served, whole.refused, whole.open)


@settings(max_examples=300)
@given(near_misses)
def test_byte_by_byte_changes_nothing_either(data: bytes) -> None:
    whole, split = converse([data]), converse(bytes((byte,)) for byte in data)
    assert (split.served, split.refused, split.open) == (whole.served, whole.refused, whole.open)
