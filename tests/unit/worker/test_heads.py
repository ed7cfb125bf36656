"""Heads of answers: what an application says of them, what is added, what is refused, and that kept ones are the right ones."""

from typing import Any

import pytest

from prefork.worker.heads import KEPT, Head, frame


def framed(
    headers: Any = (),
    status: str | int = 200,
    length: int | None = None,
    method: str = "GET",
    version: str = "1.1",
    keep: bool = True,
) -> Head:
    return frame(status, tuple(headers), length, method, version, keep)


def lines(head: Head) -> list[bytes]:
    return head.start.split(b"\r\n")[:-1]


def test_text_and_bytes_are_the_same_head() -> None:
    text = framed([("X-One", "ä"), ("Content-Length", "3")], "200 OK")
    assert text == framed([(b"X-One", b"\xe4"), (b"Content-Length", b"3")], 200)
    assert lines(text) == [b"HTTP/1.1 200 OK", b"X-One: \xe4", b"Content-Length: 3", b"Server: Prefork"]


@pytest.mark.parametrize(
    ("asked", "left", "chunked", "keep", "said"),
    [
        ({"length": 5}, 5, False, True, b"Content-Length: 5"),
        ({}, None, True, True, b"Transfer-Encoding: chunked"),
        ({"version": "1.0"}, None, False, False, b"Connection: close"),
        ({"version": "1.0", "length": 5}, 5, False, True, b"Connection: keep-alive"),
        ({"length": 5, "keep": False}, 5, False, False, b"Connection: close"),
        ({"length": 5, "method": "HEAD"}, 0, False, True, b"Content-Length: 5"),
        ({"headers": [(b"connection", b"Close")], "length": 0}, 0, False, False, b"Connection: close"),
        ({"headers": [(b"close", b"")], "length": 0}, 0, False, True, b"close: "),
        ({"headers": [(b"content-length", b"7")], "length": 5}, 7, False, True, b"content-length: 7"),
    ],
)
def test_where_the_body_ends_and_whether_the_connection_does(
    asked: dict[str, Any], left: int | None, chunked: bool, keep: bool, said: bytes
) -> None:
    head = framed(**asked)
    assert (head.left, head.chunked, head.keep) == (left, chunked, keep)
    assert said in lines(head)


@pytest.mark.parametrize("status", [204, 304])
def test_what_never_has_a_body_says_nothing_of_its_length(status: int) -> None:
    head = framed([(b"Content-Length", b"7")], status, 7)
    assert (head.left, head.chunked) == (0, False)
    assert b"Content-Length" not in head.start


def test_what_the_application_says_itself_is_not_said_again() -> None:
    assert framed()[5:] == (False, False)
    own = framed([(b"Date", b"then"), (b"server", b"own"), (b"X-Request-ID", b"a-1"), (b"content-length", b"1")] * 2)
    assert own[5:] == (True, True)
    assert b"Prefork" not in own.start
    assert own.start.count(b"content-length") == 1


@pytest.mark.parametrize("name", [b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Upgrade"])
def test_what_is_ours_to_say_is_taken_out(name: bytes) -> None:
    assert name not in framed([(name, b"x")], length=1).start


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"status": 101}, "from 200 to 999"),
        ({"status": "200"}, "from 200 to 999"),
        ({"status": "200 OK\r\nX: y"}, "from 200 to 999"),
        ({"headers": [("X y", "1")]}, "is not the name of a header"),
        ({"headers": [(b"x", b"a\r\nb: c")]}, "forge"),
        ({"headers": [("x", "a\0")]}, "forge"),
        ({"headers": [("Content-Length", "-1")]}, "must be one number"),
        ({"headers": [("Content-Length", "1"), ("content-length", "2")]}, "must be one number"),
    ],
)
def test_what_may_not_be_in_a_head(asked: dict[str, Any], problem: str) -> None:
    for _ in range(2):  # what was refused once is not kept
        with pytest.raises(ValueError, match=problem):
            framed(**asked)


def test_only_so_many_are_kept() -> None:
    for number in range(2 * KEPT):
        assert b"x: %d" % number in lines(framed([(b"x", b"%d" % number)]))
    assert frame.cache_info().currsize == KEPT
