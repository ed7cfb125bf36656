"""The corpus over whole connections: what is served, what is refused, and that nothing behind a refusal is ever a request."""

from __future__ import annotations

import pytest
from tests.corpus import CASES, NEXT

from prefork.dispatcher.inbound import EMPTY_LINES
from prefork.http.head import END_OF_HEAD, Head, Reader, Refused

from .conversation import converse


def expected(name: str) -> tuple[tuple[tuple[str, str, bytes], ...], int, bool]:
    """What a case comes to with another request behind it."""
    case = CASES[name]
    behind = () if case.closes else (("GET", "/next", b""),)
    return (*map(tuple, case.served), *behind), case.refused, not case.closes


@pytest.mark.parametrize("name", CASES)
def test_in_one_piece(name: str) -> None:
    outcome = converse([CASES[name].sent + NEXT])
    assert (outcome.seen(), outcome.refused, outcome.open) == expected(name), CASES[name].why


@pytest.mark.parametrize("name", CASES)
def test_byte_by_byte(name: str) -> None:
    outcome = converse(bytes((byte,)) for byte in CASES[name].sent + NEXT)
    assert (outcome.seen(), outcome.refused, outcome.open) == expected(name), CASES[name].why


@pytest.mark.parametrize("name", CASES)
def test_the_head_alone(name: str) -> None:
    """What the reader of heads says about the first head, and that it reads the next client's all the same."""
    case, reader = CASES[name], Reader()
    sent = EMPTY_LINES.sub(b"", case.sent) + NEXT
    head, status = read(reader, sent[: sent.index(END_OF_HEAD) + 4])
    if case.served:
        assert head
        assert case.served[0][:2] == (head.method, head.target.decode("latin-1"))
    elif head:
        assert head.length is None or case.refused == 431, "only its size or a chunked body can be refused elsewhere"
    else:
        assert status == case.refused or case.refused == 431
    assert reader.read(NEXT).target == b"/next"


def read(reader: Reader, data: bytes) -> tuple[Head | None, int]:
    """The head, or the status of its refusal."""
    try:
        return reader.read(data), 0
    except Refused as refused:
        return None, refused.status


def test_every_case_says_why() -> None:
    assert all(case.why for case in CASES.values())
