"""What is said about loans is understood, in whatever pieces it comes."""

from __future__ import annotations

import mmap
import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given

from prefork.lending import (
    BACK,
    ENTERED,
    FIXED,
    LARGEST,
    OWNED,
    RING,
    WRITTEN,
    Asked,
    Receipt,
    Return,
    Terms,
    Till,
    memory_for,
    pack_asked,
    pack_declined,
    pack_recall,
    pack_receipt,
    pack_return,
    pack_terms,
    unpack_asked,
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
    *(HALF, WORD, SHORT, SHORT, TEXT, TEXT),
)


@given(st.lists(RECEIPTS, max_size=4))
def test_receipts_are_read_as_they_were_written(receipts: list[Receipt]) -> None:
    data = b"".join(pack_receipt(*each) for each in receipts)
    assert unpack_receipts(data) == receipts
    assert unpack_receipts(data + bytes(8) + b"what was there before") == receipts


def test_what_is_no_receipt_is_refused() -> None:
    fields = [0] * 16
    for size in (1, FIXED.size):
        with pytest.raises(struct.error, match="longer"):
            unpack_receipts(FIXED.pack(size, *fields[:-1], 9))
    with pytest.raises(struct.error, match="longer"):
        unpack_receipts(FIXED.pack(200, *fields))


@given(st.builds(Asked, SHORT, SHORT, TEXT, TEXT, TEXT))
def test_what_was_asked_is_one_text(asked: Asked) -> None:
    assert unpack_asked(pack_asked(asked)) == asked
    with pytest.raises(struct.error):
        unpack_asked(pack_asked(asked._replace(agent=b""))[:-1] if asked.referer else b"")


def taken(till: Till) -> list[Receipt]:
    """The receipts that have come."""
    return [receipt for piece in till.take() for receipt in unpack_receipts(piece)]


def test_receipts_come_out_of_the_memory_in_their_order_round_after_round() -> None:
    till, number, expected = Till(mmap.mmap(-1, memory_for(1))), 0, 1
    blank = Receipt(*[0] * 12, b"", b"", b"", b"")
    for turn in range(40):
        while till.has_room():
            number += 1
            size = LARGEST - 100 if number % 7 == 0 else number * 37 % 3000
            assert till.put(pack_receipt(*blank._replace(number=number, asked=b"x" * size))) <= RING
        found = taken(till)
        assert [each.number for each in found] == list(range(expected, number + 1)), f"turn {turn}"
        expected = number + 1
    assert till.take() == []


def test_what_a_dead_process_has_put_in_by_half_is_not_there() -> None:
    memory = mmap.mmap(-1, memory_for(1))
    till = Till(memory)
    memory[till.at : till.at + 4] = b"half"
    assert till.take() == []


@pytest.mark.parametrize(("written", "entered"), [(RING + 8, 0), (8, 16), (8, 0)])
def test_nonsense_in_the_memory_is_refused_once(written: int, entered: int) -> None:
    memory = mmap.mmap(-1, memory_for(1))
    till = Till(memory)
    memory[till.at : till.at + 8] = b"nonsense"
    till.words[WRITTEN], till.words[ENTERED] = written, entered
    with pytest.raises(struct.error):
        taken(till)
    assert till.take() == []


def test_the_other_words() -> None:
    terms = Terms("abc.0.17", ("/_prefork/*", "/files/*"), 4096, ("127.0.0.1",))
    assert unpack_terms(pack_terms(terms)) == terms
    assert unpack_recall(pack_recall([3, 70000])) == [3, 70000]
    for kind in (BACK, OWNED):
        assert unpack_return(pack_return(kind, 9, 7, b"GET /")) == Return(kind, 9, 7, b"GET /")
    assert unpack_declined(pack_declined(5)) == 5
    assert not {pack_terms(terms)[:1], pack_recall([])[:1]} & {LOG[:1]}, "the worker tells them apart by how they begin"
