"""The bytes of the server's own answers: framing and pages."""

from __future__ import annotations

import email.utils
import json
import time

import pytest

from prefork.http.framing import LAST_CHUNK, answer, chunk, date, head, reason
from prefork.http.pages import TOO_LARGE, WORDS, page


def test_head() -> None:
    assert head(b"200 OK", [(b"A", b"b"), (b"C", b"")]) == b"HTTP/1.1 200 OK\r\nA: b\r\nC: \r\n\r\n"


def test_chunks() -> None:
    assert chunk(b"x" * 26) + LAST_CHUNK == b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"


def test_date_is_now_and_in_english() -> None:
    before = int(time.time())
    said = email.utils.parsedate_to_datetime(date().decode())
    assert before <= said.timestamp() <= time.time()
    assert date().endswith(b" GMT")


def test_reasons() -> None:
    assert (reason(404), reason(507), reason(799)) == ("Not Found", "Insufficient Storage", "Unknown")


@pytest.mark.parametrize(("keep", "connection"), [(True, b"keep-alive"), (False, b"close")])
def test_answer(keep: bool, connection: bytes) -> None:
    lines, _, body = answer(503, b"later\n", b"text/plain", keep=keep, headers=[(b"Retry-After", b"5")]).partition(b"\r\n\r\n")
    first, *rest = lines.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in rest)
    assert first == b"HTTP/1.1 503 Service Unavailable"
    assert headers.pop(b"Date")
    assert headers == {
        b"Server": b"Prefork",
        b"Content-Type": b"text/plain",
        b"Content-Length": b"6",
        b"Connection": connection,
        b"Retry-After": b"5",
    }
    assert body == b"later\n"


@pytest.mark.parametrize("status", WORDS)
def test_page_for_people(status: int) -> None:
    kind, body = page(status, "ab12", b"text/html, application/json")
    assert kind == b"text/html; charset=utf-8"
    assert f"<title>{status} {reason(status)}</title>".encode() in body
    assert WORDS[status].encode() in body
    assert b"Request: ab12" in body


def test_page_for_programs() -> None:
    kind, body = page(502, "ab12", b"application/json")
    assert kind == b"application/json"
    assert json.loads(body) == {"status": 502, "error": "Bad Gateway", "detail": WORDS[502], "request_id": "ab12"}
    assert json.loads(page(418, "c-1", b"application/problem+json")[1]) == {
        "status": 418,
        "error": "I'm a Teapot",
        "request_id": "c-1",
    }


def test_page_that_names_an_incident() -> None:
    assert b"Incident: 0a1b2c3d \xc2\xb7 Request: ab12" in page(504, "ab12", b"", incident="0a1b2c3d")[1]
    assert json.loads(page(503, "ab12", b"application/json", incident="0a1b2c3d")[1]) == {
        "status": 503,
        "error": "Service Unavailable",
        "detail": TOO_LARGE,
        "request_id": "ab12",
        "incident": "0a1b2c3d",
    }
