"""The strict reading of heads: what a request smuggler could use is refused, and no refusal harms the next client."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.http.head import MAX_HEADERS, Head, Reader, Refused

GOOD = b"GET /next?x=1 HTTP/1.1\r\nHost: next.example\r\nCookie: a=b\r\n\r\n"
GOOD_HEAD = Head("GET", b"/next?x=1", "1.1", [(b"host", b"next.example"), (b"cookie", b"a=b")], 0, keep=True, expects=False)


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: h") -> bytes:
    return b"\r\n".join((line, *((host,) if host else ()), *lines, b"", b""))


def post(*lines: bytes, version: bytes = b"1.1") -> bytes:
    return get(*lines, line=b"POST / HTTP/" + version)


REFUSED = {
    # Two readers that disagree about where a body ends: request smuggling.
    "length and chunks": (post(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    "chunks and length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
    "chunks and no length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 0"), 400),
    "two lengths": (post(b"Content-Length: 5", b"Content-Length: 6"), 400),
    "two equal lengths": (post(b"Content-Length: 5", b"Content-Length: 5"), 400),
    "list of lengths": (post(b"Content-Length: 5, 5"), 400),
    "signed length": (post(b"Content-Length: +5"), 400),
    "negative length": (post(b"Content-Length: -1"), 400),
    "hexadecimal length": (post(b"Content-Length: 0x5"), 400),
    "length with underscore": (post(b"Content-Length: 1_0"), 400),
    "length in words": (post(b"Content-Length: 5 6"), 400),
    "empty length": (post(b"Content-Length:"), 400),
    "length beyond 64 bits": (post(b"Content-Length: 18446744073709551616"), 400),
    "length beyond reason": (post(b"Content-Length: 9999999999999999999"), 400),
    "unknown coding": (post(b"Transfer-Encoding: gzip"), 400),
    "coding that ends like chunked": (post(b"Transfer-Encoding: xchunked"), 400),
    "identity": (post(b"Transfer-Encoding: identity"), 400),
    "gzip and chunks": (post(b"Transfer-Encoding: gzip, chunked"), 501),
    "chunks and more": (post(b"Transfer-Encoding: chunked, identity"), 400),
    "chunks twice": (post(b"Transfer-Encoding: chunked, chunked"), 400),
    "two codings": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "no coding": (post(b"Transfer-Encoding:"), 400),
    "coding behind vertical tab": (post(b"Transfer-Encoding:\x0bchunked"), 400),
    "coding in quotes": (post(b'Transfer-Encoding: "chunked"'), 400),
    "space before colon": (post(b"Transfer-Encoding : chunked"), 400),
    "tab before colon": (post(b"Content-Length\t: 5"), 400),
    "chunks in HTTP/1.0": (post(b"Transfer-Encoding: chunked", version=b"1.0"), 400),
    # Lines and names.
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "bare LF after a header": (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
    "bare LF as the end": (b"GET / HTTP/1.1\r\nHost: h\r\n\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "bare CR in a header": (get(b"X: a\rEvil: b"), 400),
    "bare CR instead of a header": (get(b"\rX: y"), 400),
    "folded header": (get(b"X: a", b" b"), 400),
    "folded with a tab": (get(b"X: a", b"\tb"), 400),
    "leading space": (get(b" X: a"), 400),
    "empty name": (get(b": a"), 400),
    "no colon": (get(b"X"), 400),
    "NUL in a value": (get(b"X: a\0b"), 400),
    "control character in a value": (get(b"X: a\x01b"), 400),
    "DEL in a value": (get(b"X: a\x7fb"), 400),
    "NUL in a name": (get(b"X\0Y: a"), 400),
    "bracket in a name": (get(b"X(Y): a"), 400),
    "high byte in a name": (get(b"X\xe4: a"), 400),
    "only an empty line": (b"\r\n\r\n", 400),
    "empty line first": (b"\r\n" + get(), 400),
    # Host.
    "no Host": (get(host=b""), 400),
    "two Hosts": (get(b"Host: other"), 400),
    "two equal Hosts": (get(b"Host: h"), 400),
    "two Hosts in HTTP/1.0": (get(b"Host: h", line=b"GET / HTTP/1.0"), 400),
    "Host with a path": (get(host=b"Host: h/evil"), 400),
    "Host with a user": (get(host=b"Host: u@h"), 400),
    "Host with a space": (get(host=b"Host: h evil"), 400),
    "Host with quotes": (get(host=b'Host: "h"'), 400),
    "Host with markup": (get(host=b"Host: <h>"), 400),
    "Host with a bad port": (get(host=b"Host: h:80a"), 400),
    "Host with a long port": (get(host=b"Host: h:123456"), 400),
    "Host with an open bracket": (get(host=b"Host: [::1"), 400),
    "Host that is no IPv6": (get(host=b"Host: [evil]"), 400),
    "Host in non-ASCII": (get(host=b"Host: h\xc3\xa4"), 400),
    # Request lines.
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9 by name": (get(line=b"GET / HTTP/0.9"), 505),
    "HTTP/1.2": (get(line=b"GET / HTTP/1.2"), 505),
    "HTTP/1.10": (get(line=b"GET / HTTP/1.10"), 505),
    "HTTP/2.0": (get(line=b"GET / HTTP/2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\n", 400),
    "lower-case protocol": (get(line=b"GET / http/1.1"), 400),
    "ICE": (get(line=b"GET / ICE/1.0"), 400),
    "ICE with its method": (get(line=b"SOURCE / ICE/1.0"), 400),
    "RTSP with its method": (get(line=b"DESCRIBE / RTSP/1.0"), 400),
    "space after the version": (get(line=b"GET / HTTP/1.1 "), 400),
    "two spaces before the target": (get(line=b"GET  / HTTP/1.1"), 400),
    "two spaces after the target": (get(line=b"GET /  HTTP/1.1"), 400),
    "space in the target": (get(line=b"GET /a b HTTP/1.1"), 400),
    "tabs for spaces": (get(line=b"GET\t/\tHTTP/1.1"), 400),
    "no target": (get(line=b"GET HTTP/1.1"), 400),
    "lower-case method": (get(line=b"get / HTTP/1.1"), 501),
    "unknown method": (get(line=b"FOO / HTTP/1.1"), 501),
    "method that is no token": (get(line=b"G(T / HTTP/1.1"), 400),
    "CONNECT": (get(line=b"CONNECT h:80 HTTP/1.1"), 405),
    "authority as target": (get(line=b"GET h:80 HTTP/1.1"), 400),
    "asterisk for GET": (get(line=b"GET * HTTP/1.1"), 400),
    "relative target": (get(line=b"GET a/b HTTP/1.1"), 400),
    "another scheme": (get(line=b"GET ftp://h/ HTTP/1.1"), 400),
    "URL with a user": (get(line=b"GET http://u:p@h/ HTTP/1.1"), 400),
    "URL without a host": (get(line=b"GET http:///x HTTP/1.1"), 400),
    "fragment": (get(line=b"GET /a#b HTTP/1.1"), 400),
    "high bytes in the target": (get(line=b"GET /\xc3\xa4 HTTP/1.1"), 400),
    "control character in the target": (get(line=b"GET /\x01 HTTP/1.1"), 400),
    # The rest.
    "unknown expectation": (get(b"Expect: cookies"), 417),
    "unknown expectation of a body": (post(b"Content-Length: 5", b"Expect: cookies"), 417),
    "too many headers": (get(*(b"X-%d: y" % n for n in range(MAX_HEADERS))), 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_the_next_head_is_read(name: str) -> None:
    data, status = REFUSED[name]
    reader = Reader()
    with pytest.raises(Refused) as caught:
        reader.read(data)
    assert caught.value.status == status, caught.value.reason
    assert caught.value.reason
    assert reader.read(GOOD) == GOOD_HEAD


def one(data: bytes) -> Head:
    reader = Reader()
    head = reader.read(data)
    assert reader.read(GOOD) == GOOD_HEAD
    return head


ACCEPTED = {
    "plain": (get(), Head("GET", b"/", "1.1", [(b"host", b"h")], 0, keep=True, expects=False)),
    "closing": (get(b"Connection: close"), Head("GET", b"/", "1.1", [(b"host", b"h"), (b"connection", b"close")], 0, False, False)),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", Head("GET", b"/", "1.0", [], 0, keep=False, expects=False)),
    "HTTP/1.0 keep-alive": (
        b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        Head("GET", b"/", "1.0", [(b"connection", b"Keep-Alive")], 0, keep=True, expects=False),
    ),
    "white space around values": (
        get(b"A:b", b"C: \t d e\t ", b"F:"),
        Head("GET", b"/", "1.1", [(b"host", b"h"), (b"a", b"b"), (b"c", b"d e"), (b"f", b"")], 0, keep=True, expects=False),
    ),
    "tab and high bytes in a value": (
        get(b"X: a\tb\xff"),
        Head("GET", b"/", "1.1", [(b"host", b"h"), (b"x", b"a\tb\xff")], 0, keep=True, expects=False),
    ),
    "upgrade with a body": (
        post(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 5"),
        Head(
            "POST",
            b"/",
            "1.1",
            [(b"host", b"h"), (b"connection", b"upgrade"), (b"upgrade", b"h2c"), (b"content-length", b"5")],
            5,
            keep=True,
            expects=False,
        ),
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    data, head = ACCEPTED[name]
    assert one(data) == head


@pytest.mark.parametrize(
    ("line", "length"),
    [
        (b"Content-Length: 0", 0),
        (b"Content-Length:5", 5),
        (b"Content-Length: 007 ", 7),
        (b"content-length:\t123456789012345678", 123456789012345678),
    ],
)
def test_lengths(line: bytes, length: int) -> None:
    assert one(post(line)).length == length


@pytest.mark.parametrize("line", [b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING:Chunked", b"transfer-encoding: chunked "])
def test_chunked_bodies_have_no_length(line: bytes) -> None:
    assert one(post(line)).length is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND", "TRACE"])
def test_any_method_may_have_a_body(method: str) -> None:
    head = one(get(b"Content-Length: 3", line=method.encode() + b" /p HTTP/1.1"))
    assert (head.method, head.length) == (method, 3)


def test_expectations() -> None:
    assert one(post(b"Content-Length: 5", b"Expect: 100-Continue")).expects
    assert not one(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").expects


@pytest.mark.parametrize(
    "host", [b"", b"h", b"h.example:8069", b"h:", b"127.0.0.1:80", b"[::1]", b"[fe80::1]:8069", b"[::ffff:1.2.3.4]", b"a_b.c-d~"]
)
def test_hosts(host: bytes) -> None:
    assert one(get(host=b"Host: " + host)).header(b"host") == host


@pytest.mark.parametrize(
    ("line", "target", "host"),
    [
        (b"GET http://a.example/b?c HTTP/1.1", b"/b?c", b"a.example"),
        (b"GET HTTPS://a:81/b HTTP/1.1", b"/b", b"a:81"),
        (b"GET http://a HTTP/1.1", b"/", b"a"),
        (b"GET http://a?c HTTP/1.1", b"/?c", b"a"),
        (b"GET http://[::1]:8069/b HTTP/1.1", b"/b", b"[::1]:8069"),
        (b"OPTIONS * HTTP/1.1", b"*", b"h"),
        (b"GET //a/b HTTP/1.1", b"//a/b", b"h"),
        (b'GET /a"<>|^`{}\\ HTTP/1.1', b'/a"<>|^`{}\\', b"h"),
    ],
)
def test_targets(line: bytes, target: bytes, host: bytes) -> None:
    head = one(get(line=line))
    assert (head.target, head.header(b"host")) == (target, host)


def test_the_host_of_a_url_is_there_also_where_the_client_named_none() -> None:
    """HTTP/1.0 asks for no Host, and an application would believe the address that it is served at."""
    assert one(b"GET http://a.example/b HTTP/1.0\r\nX: y\r\n\r\n").headers == [(b"host", b"a.example"), (b"x", b"y")]


def test_headers_that_applications_would_take_for_others_are_dropped() -> None:
    head = one(get(b"X_Forwarded_For: 1.2.3.4", b"Content_Length: 7", b"Proxy: evil", b"X-Real: y", b"Transfer_Encoding: chunked"))
    assert head.headers == [(b"host", b"h"), (b"x-real", b"y")]
    assert head.length == 0


def test_as_many_headers_as_allowed() -> None:
    head = one(get(*(b"X-%d: %d" % (n, n) for n in range(MAX_HEADERS - 1))))
    assert head.headers[1:] == [(b"x-%d" % n, b"%d" % n) for n in range(MAX_HEADERS - 1)]


def test_long_parts_arrive_whole() -> None:
    long = b"x" * 60_000
    head = one(get(b"Long: " + long, b"N-" + long + b": y", line=b"GET /" + long + b" HTTP/1.1"))
    assert (head.target, head.headers[1:]) == (b"/" + long, [(b"long", long), (b"n-" + long, b"y")])


def test_no_header() -> None:
    assert one(get()).header(b"cookie") is None


# Whatever arrives.

PIECES = [
    b"GET ",
    b"POST ",
    b"CONNECT ",
    b"/",
    b"*",
    b"http://a",
    b" ",
    b" HTTP/1.1",
    b" HTTP/1.0",
    b" ICE/1.0",
    b"\r\n",
    b"\n",
    b"\r",
    b"\t",
    b"Host: h",
    b"Content-Length: 5",
    b"Content-Length: 40",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Connection: upgrade",
    b"Connection: close",
    b"Upgrade: h2c",
    b"Expect: x",
    b"Expect: 100-continue",
    b"X: y",
    b":",
    b"\0",
    b"0",
    b"5;a",
]
soup = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=14).map(b"".join)
lines = st.lists(st.sampled_from([p for p in PIECES if b":" in p]), max_size=5).map(
    lambda chosen: b"".join(line + b"\r\n" for line in chosen)
)
starts = st.sampled_from(
    [b"GET / HTTP/1.1\r\n", b"POST /p HTTP/1.1\r\nHost: h\r\n", b"POST / HTTP/1.0\r\n", b"CONNECT h:80 HTTP/1.1\r\n"]
)
SHARED = Reader()


def cut(data: bytes) -> bytes:
    """Up to the first empty line, as a connection cuts it."""
    data += b"\r\n\r\n"
    return data[: data.index(b"\r\n\r\n") + 4]


@settings(max_examples=600)
@given(st.one_of(soup, st.binary(max_size=60), st.tuples(starts, lines).map(b"".join)))
def test_nothing_but_refusals_and_no_state_left_behind(data: bytes) -> None:
    """One parser serves all connections: what one client sends must not change what is read from another."""
    try:
        head = SHARED.read(cut(data))
    except Refused:
        pass
    else:
        assert data.startswith(head.method.encode() + b" ")
        assert head.version in {"1.0", "1.1"}
    assert SHARED.read(GOOD) == GOOD_HEAD


token = st.text("!#$%&'*+.^`|~-0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12).map(str.encode)
OURS = {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"proxy", b"proxy-connection"}
value = st.binary(max_size=20).map(lambda raw: bytes(c for c in raw if c >= 32 and c != 127).strip())
target = st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) != "#"], max_size=30).map(lambda text: b"/" + text.encode())


@settings(max_examples=300)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]),
    target,
    st.lists(st.tuples(token.filter(lambda name: name not in OURS), value), max_size=8),
    st.integers(0, 10**9),
    st.sampled_from([b"", b" ", b" \t"]),
)
def test_what_goes_in_comes_out(method: str, target: bytes, headers: list[tuple[bytes, bytes]], length: int, space: bytes) -> None:
    sent = [(b"host", b"h"), *headers, (b"content-length", b"%d" % length)]
    data = b"%b %b HTTP/1.1\r\n" % (method.encode(), target)
    data += b"".join(name.title() + b":" + space + value + space + b"\r\n" for name, value in sent) + b"\r\n"
    assert SHARED.read(data) == Head(method, target, "1.1", sent, length, keep=True, expects=False)
