"""The application of the transfer scenario. `BENCH_FILE` is the file that it sends.

/                    hello
/generator           the file, read and yielded block by block
/wrapper             the file by `wsgi.file_wrapper`
/stored              answers without reading the body
/read                reads the body
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE = os.environ["BENCH_FILE"]
BLOCK = 65536


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The routes."""
    path = environ["PATH_INFO"]
    if path in {"/generator", "/wrapper"}:
        size = os.path.getsize(FILE)
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
        return blocks(FILE) if path == "/generator" else environ["wsgi.file_wrapper"](open(FILE, "rb"), BLOCK)
    if path == "/read":
        while environ["wsgi.input"].read(BLOCK):
            pass
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]


def blocks(name: str) -> Iterator[bytes]:
    """A file block by block."""
    with open(name, "rb") as file:
        while block := file.read(BLOCK):
            yield block
