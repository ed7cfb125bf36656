"""What the page about security says is refused, is: a request for each thing that a row names, and the answer beside it."""

import re

import pytest
from tests.conftest import ROOT

from prefork.dispatcher.intake import Intake
from prefork.http.head import MAX_HEADERS, Reader, Refused

PAGE = (ROOT / "docs" / "security.md").read_text()
TABLE = PAGE.partition("\n## What is refused\n")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("| ")][1:]
HOST = "Host: a.example\r\n"
LONG = "Content-Length: 3\r\n"
# By the row's first words: heads, and bodies in chunks.
HEADS = {
    "two lengths": [
        f"POST / HTTP/1.1\r\n{HOST}{LONG}{LONG}",
        f"POST / HTTP/1.1\r\n{HOST}{LONG}Transfer-Encoding: chunked\r\n",
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: +3\r\n",
        f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n",
    ],
    "a transfer encoding": [
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n",
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n",
    ],
    "no Host": ["GET / HTTP/1.1\r\n", f"GET / HTTP/1.1\r\n{HOST}{HOST}", "GET / HTTP/1.1\r\nHost: a/b\r\n"],
    "bare line feeds": [
        f"GET / HTTP/1.1\n{HOST}",
        f"GET / HTTP/1.1\r\n{HOST}X: a\r\n b\r\n",
        f"GET / HTTP/1.1\r\n{HOST}X: a\x01\r\n",
        f"GET / HTTP/1.1\r\n{HOST}X : a\r\n",
    ],
    "more than one space": [
        f"GET  / HTTP/1.1\r\n{HOST}",
        f"GET /#a HTTP/1.1\r\n{HOST}",
        f"GET ftp://a.example/ HTTP/1.1\r\n{HOST}",
    ],
    "CONNECT": [f"CONNECT a.example:443 HTTP/1.1\r\n{HOST}", f"GET / ICE/1.0\r\n{HOST}", f"GET / HTTP/2.0\r\n{HOST}"],
    "a head above": ["GET / HTTP/1.1\r\n" + HOST + "".join(f"X{number}: a\r\n" for number in range(MAX_HEADERS))],
}
CHUNKS = {"a chunk that": ["3\r\nabcd\r\n", f"3;{'a' * 256}\r\nabc\r\n", "0\r\nHost: b.example\r\n\r\n"]}


def row(begin: str) -> list[int]:
    """The answers beside what begins so."""
    (answers,) = [cells[1] for cells in ROWS if cells[0].startswith(begin)]
    return [int(status) for status in re.findall(r"\d+", answers)]


def test_each_row_is_tried() -> None:
    assert [cells[0] for cells in ROWS if not cells[0].startswith((*HEADS, *CHUNKS))] == []


@pytest.mark.parametrize(("begin", "head"), [(begin, head) for begin, heads in HEADS.items() for head in heads])
def test_a_head_is_refused_as_the_page_says(begin: str, head: str) -> None:
    with pytest.raises(Refused) as refused:
        Reader().read(head.encode("latin-1") + b"\r\n")
    assert refused.value.status in row(begin)


@pytest.mark.parametrize(("begin", "body"), [(begin, body) for begin, bodies in CHUNKS.items() for body in bodies])
def test_a_body_is_refused_as_the_page_says(begin: str, body: str) -> None:
    with pytest.raises(Refused) as refused:
        Intake(None, 1 << 20).feed(body.encode())
    assert refused.value.status in row(begin)
