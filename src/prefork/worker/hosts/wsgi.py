"""Calls a WSGI application (PEP 3333)."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from prefork.messages import Request
    from prefork.worker.reply import Reply

KEYS: dict[bytes, str] = {}  # header name -> environ key
KNOWN_KEYS = 1000  # clients choose header names: the cache must not grow with them


def call(application: Callable[..., Any], surroundings: dict[str, Any], reply: Reply) -> None:
    """Call an application and send what it returns."""
    started = Call(reply)
    respond(application(surroundings, started.start_response), started)


def respond(result: Any, started: Call) -> None:
    """Send what an application has returned."""
    reply = started.reply
    try:
        if isinstance(result, FileWrapper) and not reply.begun and (span := result.span()):
            started.write_file(*span)
        elif isinstance(result, (list, tuple)) and not reply.begun:
            # All parts are there: one send delays none of them, and their length is known.
            started.write(result[0] if len(result) == 1 else b"".join(result), whole=True)
        else:
            for data in result:
                over = reply.left == 0
                if data:
                    started.write(data)
                if reply.gone or (over and data):
                    break  # to HEAD, and beyond what was announced, nobody gets it, and it may have no end
            started.write(b"", whole=True)
        reply.finish()
    finally:
        if hasattr(result, "close"):
            result.close()


class Call:
    """One call of the application: what it said through start_response, until the first part of the body sends it."""

    __slots__ = ("given", "reply")

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.given: tuple[str, list[tuple[str, str]]] | None = None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """What PEP 3333 says; returns its `write`."""
        if exc_info:
            try:
                if self.reply.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.given:
            raise RuntimeError("start_response was called a second time without exc_info")
        self.given = (status, headers)
        return self.write

    def write(self, data: bytes, whole: bool = False) -> None:
        """Send a part of the body; `whole` when it is all of it, so that its length can be said."""
        if not self.reply.begun:
            self._begin(len(data) if whole else None)
        if data or not self.reply.begun:
            self.reply.write(data)

    def write_file(self, descriptor: int, offset: int, count: int) -> None:
        """Send a file as the body, or as the rest of it."""
        if not self.reply.begun:
            self._begin(count)
        self.reply.write_file(descriptor, offset, count)

    def _begin(self, length: int | None) -> None:
        if not self.given:
            raise RuntimeError("the application returned without calling start_response")
        self.reply.begin(*self.given, length)


class FileWrapper:
    """`wsgi.file_wrapper`: a file as an answer. A real one is not read here, the dispatcher gets it."""

    def __init__(self, file: Any, block: int = 1 << 16) -> None:
        self.file = file
        self.block = block
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self.block), b"")

    def span(self) -> tuple[int, int, int] | None:
        """Descriptor, offset and number of bytes up to the end of a regular file; None for what only its own `read` can read."""
        # Not imported for this: with all that it brings it would be in every worker, and who has made such a file has it.
        tempfile = sys.modules.get("tempfile")
        file = self.file.file if tempfile and isinstance(self.file, tempfile._TemporaryFileWrapper) else self.file
        raw = getattr(file, "raw", file)
        # A GzipFile, or a class of the application's own, has a descriptor, too, but its `read` may tell something else.
        if type(file) not in {io.BufferedReader, io.BufferedRandom, io.FileIO} or type(raw) is not io.FileIO:
            return None
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        # Files below /proc have contents and no size.
        left = status.st_size - file.tell()
        return (file.fileno(), file.tell(), left) if left > 0 else None


def environ(request: Request, body: BinaryIO, threaded: bool = False) -> dict[str, Any]:
    """The request as a WSGI environ, with `prefork.attempt` beside the standard keys."""
    memo = request.memo
    if memo is None:
        made = told(request, threaded)
    else:
        if "environ" not in memo:
            memo["environ"] = told(request, threaded)
        made = memo["environ"].copy()
        for place in memo["blanks"]:
            name, value = request.headers[place]
            made[KEYS.get(name) or key_of(name)] = value.decode("latin-1")
        made["HTTP_X_REQUEST_ID"] = request.request_id
    made["SERVER_NAME"], port = request.server
    made["SERVER_PORT"] = str(port)
    made["REMOTE_ADDR"], port = request.client
    made["REMOTE_PORT"] = str(port)
    made["wsgi.input"] = body
    made["wsgi.errors"] = sys.stderr
    return made


def told(request: Request, threaded: bool) -> dict[str, Any]:
    """What the head of a request tells, and what is the same of all requests."""
    target = request.target.decode("latin-1")
    path, _, query = target.partition("?")
    made: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_PROTOCOL": "HTTP/" + request.version,
        "SERVER_SOFTWARE": "Prefork",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.multithread": threaded,
        "wsgi.multiprocess": not threaded,
        "wsgi.run_once": False,
        "prefork.attempt": request.attempt,
    }
    for name, value in request.headers:
        key = KEYS.get(name) or key_of(name)
        text = value.decode("latin-1")
        if key in made:
            text = made[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        made[key] = text
    made.pop("HTTP_TRANSFER_ENCODING", None)  # the body has been decoded
    if request.length:
        made["CONTENT_LENGTH"] = str(request.length)
    return made


def key_of(name: bytes) -> str:
    """The environ key of a header name."""
    key = name.decode("latin-1").upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = "HTTP_" + key
    if len(KEYS) < KNOWN_KEYS:
        KEYS[name] = key
    return key
