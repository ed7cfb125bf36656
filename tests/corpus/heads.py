"""Lines, names and values of a head (RFC 9112, 2 to 5), and whom Host names."""

from __future__ import annotations

from .case import ROOT, SMUGGLED, Case, Seen, accepted, get, post, refused


def line(sent: bytes, why: str) -> Case:
    """A header line that is none."""
    return refused(get(sent) + SMUGGLED, 400, why)


def host(value: bytes, why: str) -> Case:
    """A Host that is none."""
    return refused(get(host=b"Host:" + value), 400, why)


def named(value: bytes, why: str) -> Case:
    """A Host that is one."""
    return accepted(get(host=b"Host:" + value), ROOT, why=why)


LINES = {
    "all bare LF": refused(b"GET / HTTP/1.1\nHost: h\n\n" + SMUGGLED, 400, "RFC 9112, 2.2 allows LF; a front may not"),
    "bare LF behind the request line": refused(b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400, "as above"),
    "bare LF behind a header": refused(b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400, "as above"),
    "bare LF as the end": refused(b"GET / HTTP/1.1\r\nHost: h\r\n\n" + SMUGGLED, 400, "as above"),
    "LF LF": refused(b"GET / HTTP/1.1\r\nHost: h\n\n" + SMUGGLED, 400, "as above"),
    "LF CR LF": refused(b"GET / HTTP/1.1\r\nHost: h\n\r\n" + SMUGGLED, 400, "as above"),
    "all bare CR": refused(b"GET / HTTP/1.1\rHost: h\r\r" + SMUGGLED, 400, "CR ends a line for some"),
    "bare CR behind the request line": refused(b"GET / HTTP/1.1\rHost: h\r\n\r\n", 400, "as above"),
    "CR CR LF": refused(b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 505, "as above: part of the version"),
    "CR CR LF behind a header": line(b"X: y\r", "as above"),
    "CR CR LF as the end": refused(b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n" + SMUGGLED, 400, "as above"),
    "bare CR in a value": line(b"X: a\rb", "as above"),
    "bare CR before a value": line(b"X:\ra", "as above"),
    "bare LF in a value": line(b"X: a\nb", "LF ends a line for some"),
    "header behind a bare CR": line(b"X: a\rHost: evil", "a second Host for some"),
    "folded": line(b"X: a\r\n b", "RFC 9112, 5.2: to be refused"),
    "folded with a tab": line(b"X: a\r\n\tb", "as above"),
    "folded to nothing": line(b"X: a\r\n ", "as above: the end of the head for some"),
    "folded request line": refused(b"GET /\r\n  HTTP/1.1\r\nHost: h\r\n\r\n", 400, "as above"),
    "space before the first header": refused(b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "RFC 9112, 2.2"),
    "white space as the end": refused(b"GET / HTTP/1.1\r\nHost: h\r\n \r\n\r\n", 400, "an empty line for some"),
    "empty lines before": accepted(b"\r\n\r\n" + get(), ROOT, why="RFC 9112, 2.2: old clients end a body with one"),
    "bare LF before": refused(b"\n" + get(), 400, "only CR LF is an empty line"),
    "bare CR before": refused(b"\r" + get(), 400, "as above"),
    "CR CR LF before": refused(b"\r\r\n" + get(), 400, "as above"),
    "space before": refused(b" " + get(), 400, "no method begins so"),
    "NUL before": refused(b"\0" + get(), 400, "as above"),
    "byte order mark before": refused(b"\xef\xbb\xbf" + get(), 400, "as above"),
    "LF between requests": accepted(get() + b"\n" + get(), ROOT, refused=400, why="only CR LF is an empty line"),
    "empty line between requests": accepted(get() + b"\r\n" + get(), ROOT, ROOT, why="RFC 9112, 2.2"),
}

NAMES = {
    "space before the colon": line(b"X : a", "RFC 9112, 5.1"),
    "tab before the colon": line(b"X\t: a", "as above"),
    "no colon": line(b"X", "no header"),
    "empty": line(b": a", "no token"),
    "space inside": line(b"X Y: a", "as above"),
    "NUL": line(b"X\0: a", "as above"),
    "brackets": line(b"X(Y): a", "as above"),
    "slash": line(b"X/Y: a", "as above"),
    "at": line(b"X@Y: a", "as above"),
    "quotes": line(b'"X": a', "as above"),
    "high byte": line(b"X\xe9: a", "as above"),
    "DEL": line(b"X\x7f: a", "as above"),
    "leading colon": line(b":X: a", "HTTP/2 writes :authority so"),
    "all of token": accepted(get(b"!#$%&'*+.^`|~-09az: a"), ROOT, why="RFC 9110, 5.6.2"),
    "long": accepted(get(b"X" * 2000 + b": a"), ROOT, why="below max_header_size all is well"),
}

VALUES = {
    "NUL": line(b"X: a\0b", "RFC 9110, 5.5: to be refused"),
    "control character": line(b"X: a\x01b", "as above"),
    "vertical tab": line(b"X: a\x0bb", "isspace() takes it"),
    "form feed": line(b"X: a\x0cb", "as above"),
    "escape": line(b"X: \x1b[2J", "it would reach a terminal through a log"),
    "DEL": line(b"X: a\x7f", "as above"),
    "tab": accepted(get(b"X: a\tb"), ROOT, why="white space"),
    "high bytes": accepted(get(b"X: \xe4\xff\x80"), ROOT, why="obs-text"),
    "empty": accepted(get(b"X:"), ROOT, why="legal"),
    "colons": accepted(get(b"X:: a:b"), ROOT, why="only the first one counts"),
    "long": accepted(get(b"X: " + b"a" * 2000), ROOT, why="below max_header_size all is well"),
}

HOSTS = {
    "none": refused(get(host=b""), 400, "RFC 9112, 3.2: to be refused"),
    "none in HTTP/1.0": accepted(get(host=b"", line=b"GET / HTTP/1.0"), ROOT, closes=True, why="it had none"),
    "two": refused(get(b"Host: evil"), 400, "first or last"),
    "two equal": refused(get(b"Host: h"), 400, "RFC 9112, 3.2: to be refused"),
    "two in other case": refused(get(b"hOST: evil"), 400, "names have no case"),
    "two in HTTP/1.0": refused(get(b"Host: evil", line=b"GET / HTTP/1.0"), 400, "as above"),
    "two and a URL": refused(get(b"Host: h", line=b"GET http://h/ HTTP/1.1"), 400, "as above"),
    "space before the colon": refused(get(host=b"Host : h"), 400, "RFC 9112, 5.1"),
    "space inside": host(b" h evil", "no host"),
    "list": host(b" h, evil", "two that a front has joined"),
    "path": host(b" h/evil", "no host"),
    "query": host(b" h?evil", "as above"),
    "fragment": host(b" h#evil", "as above"),
    "user": host(b" evil@h", "the host is behind the @, or before it"),
    "URL": host(b" http://h", "as above"),
    "backslash": host(b" h\\evil", "a slash for browsers"),
    "quotes": host(b' "h"', "no host"),
    "markup": host(b" <h>", "it would be put into pages and mails"),
    "tab inside": host(b" h\tevil", "no host"),
    "high bytes": host(b" h\xc3\xa4", "names are ASCII on the wire"),
    "port only": host(b" :80", "RFC 9110, 4.2.1: a host that is empty is none"),
    "port in letters": host(b" h:80a", "no port"),
    "signed port": host(b" h:+80", "as above"),
    "two ports": host(b" h:80:81", "as above"),
    "long port": host(b" h:000080", "as above"),
    "open bracket": host(b" [::1", "no address"),
    "closed bracket": host(b" ::1]", "as above"),
    "no brackets": host(b" ::1", "as above"),
    "name in brackets": host(b" [evil]", "as above"),
    "behind the bracket": host(b" [::1]evil", "as above"),
    "zone": host(b" [fe80::1%25eth0]", "it means nothing here"),
    "empty": named(b"", "RFC 9110, 7.2: where the target has no authority"),
    "port": named(b" h:8069", "the usual"),
    "empty port": named(b" h:", "RFC 3986 allows it"),
    "IPv6": named(b" [::1]:8069", "an address"),
    "underscore": named(b" a_b.example", "containers are named so"),
    "trailing dot": named(b" h.", "the root"),
}

OTHERS = {
    "X_Forwarded_For": accepted(get(b"X_Forwarded_For: 6.6.6.6"), ROOT, why="CGI would take it for the other: it is dropped"),
    "Proxy": accepted(get(b"Proxy: evil"), ROOT, why="HTTP_PROXY is a setting of HTTP clients: it is dropped"),
    "Connection names Host": accepted(get(b"Connection: Host, X-Forwarded-For"), ROOT, why="no hop may take those away"),
    "close and keep-alive": accepted(get(b"Connection: keep-alive, close"), ROOT, closes=True, why="close wins"),
    "close on another line": accepted(get(b"Connection: keep-alive", b"Connection: Close"), ROOT, closes=True, why="as above"),
    "nearly close": accepted(get(b"Connection: closed"), ROOT, why="another word"),
    "HTTP/1.0 kept alive": accepted(get(b"Connection: keep-alive", line=b"GET / HTTP/1.0"), ROOT, why="asked for"),
    "Expect of something else": refused(post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"), 417, "RFC 9110, 10.1.1"),
    "Expect with parameters": refused(post(b"Expect: 100-continue;x", b"Content-Length: 5", body=b"hello"), 417, "as above"),
    "Expect twice": accepted(
        post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        Seen("POST", "/p", b"hello"),
        why="said twice",
    ),
    "Expect in other case": accepted(
        post(b"Expect: 100-CONTINUE", b"Content-Length: 5", body=b"hello"), Seen("POST", "/p", b"hello"), why="it has none"
    ),
    "Expect without a body": accepted(get(b"Expect: 100-continue"), ROOT, why="there is nothing to wait for"),
    "Expect in HTTP/1.0": accepted(
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello", version=b"1.0"),
        Seen("POST", "/p", b"hello"),
        closes=True,
        why="ignored, as RFC 9110 asks",
    ),
    "101 headers": refused(get(*(b"X-%d: y" % number for number in range(100))), 431, "with Host it is one too many"),
    "100 headers": accepted(get(*(b"X-%d: y" % number for number in range(99))), ROOT, why="with Host as many as are allowed"),
    "a head without end": refused(get(b"X: " + b"a" * 70_000), 431, "more than any max_header_size"),
    "a line without end": refused(b"GET /" + b"a" * 70_000, 431, "as above"),
    "headers without end": refused(get(*[b"X: y"] * 12_000), 431, "as above"),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {"line": LINES, "name": NAMES, "value": VALUES, "host": HOSTS, "header": OTHERS}.items()
    for name, case in cases.items()
}
