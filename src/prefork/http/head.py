"""The strict reading of a request's head: bytes up to the empty line become a `Head`, or are `Refused`.

llhttp (through httptools) does the grammar; what it lets pass and a request smuggler could use is refused here. Whoever reads the
connection cuts the head off at the first empty line and feeds it whole, so one parser serves all connections, and no input can
make it see two requests. No sockets here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools

END_OF_LINE = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
MAX_HEADERS = 100
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
HOST = re.compile(rb"(?:(?:[0-9A-Za-z.~!$&'()*+,;=%_-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?)?\Z")  # or empty: RFC 9110, 7.2
TARGET = re.compile(rb"[!-~\x80-\xff]+\Z")  # anything printable: browsers send more than RFC 3986 allows
URL = re.compile(rb"https?://([^/?]+)(.*)\Z", re.IGNORECASE)
LENGTH = re.compile(rb"[0-9]{1,18}\Z")
TEXT = bytes((9, *range(32, 127), *range(128, 256)))  # what lines may have in them: of the control characters only the tab

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class Refused(Exception):
    """A request that is answered with `status` and never reaches an application; `reason` says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head(NamedTuple):
    """A request line and its headers.

    `headers` are (lower-case name, value) in order; hop-by-hop ones are kept, names with an underscore are gone. `length` is the
    body's size in bytes, None when it comes in chunks. `keep` says whether the client lets the connection live on, `expects`
    whether it waits for `100 Continue`.
    """

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    length: int | None
    keep: bool
    expects: bool

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by lower-case name."""
        for known, value in self.headers:
            if known == name:
                return value
        return None


class Reader:
    """Reads heads, one after the other, whichever connection they come from."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self.parser = httptools.HttpRequestParser(self)

    # What httptools calls while it reads one head.
    def on_message_begin(self) -> None:  # noqa: D102
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:  # noqa: D102
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self.headers.append((name.lower(), value.rstrip(b" \t")))  # llhttp strips on the left only

    def on_headers_complete(self) -> None:  # noqa: D102
        # Here and not later: at the end of the message llhttp has forgotten it.
        self.complete = True
        self.keep = self.parser.should_keep_alive()
        self.version = self.parser.get_http_version()
        self.method = self.parser.get_method().decode()

    def read(self, data: bytes) -> Head:
        """The head in `data`, which ends with its first empty line. Raises Refused."""
        self.complete = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._renew()  # `Upgrade:` or CONNECT; what follows the head is read by its framing, as after any other
        except httptools.HttpParserError as error:
            self._renew()
            raise refusal(data, error) from None
        if not self.complete:
            self._renew()
            raise Refused(400, "the request's head is not complete at its empty line")
        headers, target, method, version = self.headers, self.target, self.method, self.version
        if not data.startswith(b"%b %b HTTP/%b\r\n" % (method.encode(), target, version.encode())):
            self._renew()  # extra spaces, or another protocol that llhttp speaks: ICE, RTSP
            raise Refused(400, "the request line is not a method, a target and an HTTP version with one space between them")
        try:
            length, expects = framing(headers, version)
        except Refused:
            self._renew()  # it may wait for a body; the next head is another client's
            raise
        if length != 0 or not self.keep or method == "CONNECT":
            self._renew()  # this parser now waits for a body, which is read elsewhere, or for no further request at all
        check(data, method, version, headers)
        target = origin_form(target, method, headers)
        keep = self.keep and method != "CONNECT"
        return Head(method, target, version, headers, length, keep, expects)


def refusal(data: bytes, error: Exception) -> Refused:
    """The right status for what llhttp does not accept."""
    line = data[: data.find(b"\r\n")]
    version = line.rpartition(b" ")[2]
    if version.startswith(b"HTTP/") and version not in {b"HTTP/1.0", b"HTTP/1.1"}:
        return Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    words = line.split(b" ")
    if len(words) == 3 and version.startswith(b"HTTP/1.") and TOKEN.match(words[0]) and "method" in str(error).lower():
        return Refused(501, "the method is not known")
    return Refused(400, str(error).rstrip(".").lower())


def check(data: bytes, method: str, version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse what llhttp lets pass in the head `data`; drop headers whose names an application could mistake for others."""
    if version not in {"1.1", "1.0"}:
        raise Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method == "CONNECT":
        raise Refused(405, "this is no proxy: CONNECT is not allowed")
    if len(headers) > MAX_HEADERS:
        raise Refused(431, f"more than {MAX_HEADERS} headers")
    line_ends = END_OF_LINE * (len(headers) + 2)
    hosts = 0
    doubtful = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not HOST.match(value):
                raise Refused(400, "the Host header is not a host")
        elif b"_" in name or name == b"proxy":
            doubtful = True
    if data.translate(None, TEXT) != line_ends:  # one scan for all values
        raise Refused(400, "the head has control characters, or line ends where there are none")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise Refused(400, "a request needs exactly one Host header")
    if doubtful:
        # X_Forwarded_For would reach a WSGI application as X-Forwarded-For, past whoever checked the latter; and Proxy
        # as HTTP_PROXY, which HTTP clients take for their own setting.
        headers[:] = [header for header in headers if b"_" not in header[0] and header[0] != b"proxy"]


def origin_form(target: bytes, method: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The target as a path. That of a whole URL names the host that counts (RFC 9112, 3.2.2). Raises Refused."""
    if not TARGET.match(target) or b"#" in target:
        raise Refused(400, "the request target has characters that are not allowed")
    if target.startswith(b"/") or (target == b"*" and method == "OPTIONS"):
        return target
    url = URL.match(target)
    if not url or not HOST.match(url[1]):
        raise Refused(400, "the request target is neither a path nor a URL")
    headers[:] = [(b"host", url[1]), *((name, value) for name, value in headers if name != b"host")]
    path = url[2]
    return path if path.startswith(b"/") else b"/" + path


def framing(headers: list[tuple[bytes, bytes]], version: str) -> tuple[int | None, bool]:
    """The body's length (None: chunked) and whether 100 Continue is expected. Raises Refused for anything ambiguous."""
    length: int | None = 0
    lengths = chunked = 0
    expects = False
    for name, value in headers:
        if name == b"content-length":
            lengths += 1
            if not LENGTH.match(value):
                raise Refused(400, "Content-Length is not a number")
            length = int(value)
        elif name == b"transfer-encoding":
            chunked += 1
            if value.lower() != b"chunked":
                raise Refused(501, "the only transfer encoding that is spoken here is chunked")
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise Refused(417, "the only expectation that can be met here is 100-continue")
            expects = version == "1.1"
    if lengths > 1 or chunked > 1 or (lengths and chunked):
        raise Refused(400, "the body's length is given more than once")
    if chunked and version == "1.0":
        raise Refused(400, "HTTP/1.0 has no chunked bodies")
    return (None if chunked else length), expects
