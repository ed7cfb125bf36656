"""What is said about loans is understood, in whatever pieces it comes."""

from __future__ import annotations

import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given

from prefork.lending import (
    BACK,
    FIXED,
    OWNED,
    Receipt,
    Return,
    Terms,
    pack_declined,
    pack_recall,
    pack_receipt,
    pack_return,
    pack_terms,
    unpack_declined,
    unpack_recall,
    unpack_receipts,
    unpack_return,
    unpack_terms,
)
from prefork.messages import LOG

WORD = st.integers(0, 2**64 - 1)
HALF = st.integers(0, 2**32 - 1)
SHORT = st.binary(max_size=255)
TEXT = st.binary(max_size=2000)
RECEIPTS = st.builds(
    Receipt,
    *(st.integers(0, 15), st.integers(0, 999), HALF, HALF),
    *(WORD, WORD, WORD, WORD, WORD, WORD),
    *(HALF, WORD, SHORT, SHORT, SHORT, TEXT, TEXT, TEXT, SHORT, SHORT),
)


@given(st.lists(RECEIPTS, max_size=4), st.integers(1, 300))
def test_receipts_are_read_in_whatever_pieces_they_come(receipts: list[Receipt], piece: int) -> None:
    data, rest, found = b"".join(map(pack_receipt, receipts)), b"", []
    for start in range(0, len(data), piece):
        more, rest = unpack_receipts(rest + data[start : start + piece])
        found += more
    assert found == receipts
    assert rest == b""


def test_what_is_no_receipt_is_refused() -> None:
    fields = [0] * 19
    with pytest.raises(struct.error, match="shorter"):
        unpack_receipts(FIXED.pack(1, *fields))
    with pytest.raises(struct.error, match="longer"):
        unpack_receipts(FIXED.pack(FIXED.size, *fields[:-1], 9))


def test_the_other_words() -> None:
    terms = Terms("abc.0.17", ("/_prefork/*", "/files/*"), 4096, ("127.0.0.1",))
    assert unpack_terms(pack_terms(terms)) == terms
    assert unpack_recall(pack_recall([3, 70000])) == [3, 70000]
    for kind in (BACK, OWNED):
        assert unpack_return(pack_return(kind, 9, 7, b"GET /")) == Return(kind, 9, 7, b"GET /")
    assert unpack_declined(pack_declined(5)) == 5
    assert not {pack_terms(terms)[:1], pack_recall([])[:1]} & {LOG[:1]}, "the worker tells them apart by how they begin"
