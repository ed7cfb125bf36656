"""Heads that come again: they say what they said, whoever has read them, and take no more memory than they may."""

from __future__ import annotations

import pytest

from prefork.http.head import Reader, Refused
from prefork.http.repertoire import KEPT, LONGEST, SEEN, Repertoire


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
    assert not repertoire.kept


def test_large_heads_are_read_each_time() -> None:
    repertoire = Repertoire()
    for _ in range(4):
        assert repertoire.read(head(1, LONGEST)).target == b"/1"
    assert not repertoire.kept
    assert not repertoire.seen


def test_those_that_come_once_are_not_kept_and_those_that_are_have_a_bound() -> None:
    repertoire = Repertoire()
    for number in range(SEEN + 10):
        repertoire.read(head(number))
    assert not repertoire.kept
    assert len(repertoire.seen) == 10
    for number in range(KEPT + 10):
        for _ in range(2):
            repertoire.read(head(-number))
    assert 0 < len(repertoire.kept) <= KEPT
