"""Heads that come again: they say what they said, whoever has read them, and take no more memory than they may."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from prefork.http.head import Head, Reader, Refused
from prefork.http.identity import SANE
from prefork.http.repertoire import KEPT, LONGEST, SEEN, Repertoire, form_of

from .forwarded import forwarded


def head(number: int, size: int = 0) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: h\r\nX: %b\r\n\r\n" % (number, b"x" * size)


@pytest.mark.parametrize("data", [head(1), b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"])
def test_one_that_comes_again_says_the_same_and_is_not_read(data: bytes) -> None:
    repertoire = Repertoire()
    first, second, third = (repertoire.read(bytes(bytearray(data))) for _ in range(3))
    assert first == second == Reader().read(data)
    assert first is not second
    assert second is third


def test_what_is_refused_is_refused_each_time() -> None:
    repertoire = Repertoire()
    for _ in range(4):
        with pytest.raises(Refused, match="exactly one Host"):
            repertoire.read(b"GET / HTTP/1.1\r\n\r\n")
    assert not repertoire.heads.kept


def test_large_heads_are_read_each_time() -> None:
    repertoire = Repertoire()
    for _ in range(4):
        assert repertoire.read(head(1, LONGEST)).target == b"/1"
    assert not repertoire.heads.kept
    assert not repertoire.heads.seen


def test_those_that_come_once_are_not_kept_and_those_that_are_have_a_bound() -> None:
    repertoire = Repertoire()
    for number in range(SEEN + 10):
        repertoire.read(head(number))
    assert not repertoire.heads.kept
    assert len(repertoire.heads.seen) == 10
    for number in range(KEPT + 10):
        for _ in range(2):
            repertoire.read(head(-number))
    assert 0 < len(repertoire.heads.kept) <= KEPT


def understood(reader: Reader | Repertoire, data: bytes) -> Head | str:
    try:
        return reader.read(data)
    except Refused as refused:
        return refused.reason


@settings(max_examples=100)
@given(sent=st.lists(forwarded(), min_size=2, max_size=40))
def test_what_proxies_write_makes_no_other_head_of_it_and_is_read_as_it_is(sent: list[bytes]) -> None:
    repertoire = Repertoire()
    for data in sent:
        assert understood(repertoire, data) == understood(Reader(), data)


def test_heads_that_differ_in_what_proxies_write_are_one() -> None:
    repertoire = Repertoire()
    lines = b"x-forwarded-for: 192.0.2.%d, 10.0.0.1\r\nX-Real-IP:2001:db8::%d\r\nX-REQUEST-ID: a/%d\r\n"
    heads = [repertoire.read(head(1)[:-2] + lines % ((number,) * 3) + b"\r\n") for number in range(9)]
    assert len(repertoire.heads.kept) == 1
    assert heads[7].headers[2:] == [
        (b"x-forwarded-for", b"192.0.2.7, 10.0.0.1"),
        (b"x-real-ip", b"2001:db8::7"),
        (b"x-request-id", b"a/7"),
    ]


@given(value=st.one_of(st.binary(max_size=140), st.text("ab1,.:/ -\t%", max_size=140).map(str.encode)))
def test_the_name_of_a_request_is_a_blank_where_it_is_one_that_would_be_taken(value: bytes) -> None:
    _, values = form_of(b"GET / HTTP/1.1\r\nX-Request-ID: %b\r\n\r\n" % value)
    assert values == ([value] if SANE.match(value) else [])
