"""Request lines, their targets, and other protocols that knock at this door (RFC 9112, 3)."""

from __future__ import annotations

from .case import NO_CHUNKS, ROOT, SMUGGLED, Case, Seen, accepted, get, post, refused


def line(sent: bytes, why: str, status: int = 400) -> Case:
    """A request line that is none."""
    return refused(get(line=sent), status, why)


def target(sent: bytes, seen: str, why: str, host: bytes = b"Host: h") -> Case:
    """A GET for what an application sees as the target `seen`."""
    return accepted(get(line=b"GET " + sent + b" HTTP/1.1", host=host), Seen("GET", seen), why=why)


LINES = {
    "two spaces before the target": line(b"GET  / HTTP/1.1", "an empty target for some"),
    "two spaces behind the target": line(b"GET /  HTTP/1.1", "an empty version for some"),
    "space behind the version": line(b"GET / HTTP/1.1 ", "a fourth word"),
    "tabs": line(b"GET\t/\tHTTP/1.1", "split() takes them"),
    "tab behind the method": line(b"GET\t/ HTTP/1.1", "as above"),
    "vertical tab": line(b"GET /\x0bHTTP/1.1", "as above"),
    "no-break space": line(b"GET /\xa0HTTP/1.1", "as above"),
    "space in the target": line(b"GET /a b HTTP/1.1", "which word is the version?"),
    "version in the target": line(b"GET /a HTTP/1.1 HTTP/1.1", "as above"),
    "no target": line(b"GET HTTP/1.1", "two words"),
    "only a method": line(b"GET", "one word"),
    "no method": line(b" / HTTP/1.1", "two words"),
    "a header": refused(b"Host: h\r\n\r\n", 400, "the request line was forgotten"),
    "NUL in the method": line(b"GE\0T / HTTP/1.1", "no token"),
    "lower-case method": line(b"get / HTTP/1.1", "another method: they have case", 501),
    "unknown method": line(b"SMUGGLE / HTTP/1.1", "what it would do is not known", 501),
    "known beginning": line(b"GETS / HTTP/1.1", "as above", 501),
    "method in quotes": line(b'"GET" / HTTP/1.1', "no token"),
    "no version": line(b"GET /", "HTTP/0.9 has no headers, no status and no end"),
    "HTTP/0.9": line(b"GET / HTTP/0.9", "as above", 505),
    "HTTP/1.2": line(b"GET / HTTP/1.2", "not spoken", 505),
    "HTTP/1.01": line(b"GET / HTTP/1.01", "not spoken", 505),
    "HTTP/1": line(b"GET / HTTP/1", "not spoken", 505),
    "HTTP/01.1": line(b"GET / HTTP/01.1", "not spoken", 505),
    "HTTP/2.0": line(b"GET / HTTP/2.0", "not spoken so", 505),
    "HTTP/1,1": line(b"GET / HTTP/1,1", "no version", 505),
    "HTTP/1.1 in quotes": line(b'GET / "HTTP/1.1"', "no version"),
    "lower-case protocol": line(b"GET / http/1.1", "RFC 9112, 2.3: it has case"),
    "mixed case": line(b"GET / HTtP/1.1", "as above"),
    "other protocol": line(b"GET / HTTQ/1.1", "no version"),
    "ICE": line(b"SOURCE / ICE/1.0", "a protocol that llhttp speaks"),
    "ICE with our method": line(b"GET / ICE/1.0", "as above"),
    "RTSP": line(b"DESCRIBE / RTSP/1.0", "as above"),
}

TARGETS = {
    "path": target(b"/a/b?c=d&e", "/a/b?c=d&e", "the usual"),
    "two slashes": target(b"//evil/x", "//evil/x", "a path; a URL without a scheme for careless readers"),
    "dots": target(b"/a/../b", "/a/../b", "what it means is the application's concern"),
    "percent": target(b"/%2e%2E/%00%0d%0a", "/%2e%2E/%00%0d%0a", "as sent"),
    "bad percent": target(b"/%zz%", "/%zz%", "as sent"),
    "browser's": target(b'/a"<>|^`{}\\', '/a"<>|^`{}\\', "browsers send it"),
    "question mark": target(b"/?", "/?", "an empty query"),
    "fragment": line(b"GET /a#b HTTP/1.1", "it belongs to the client"),
    "fragment in the query": line(b"GET /a?b#c HTTP/1.1", "as above"),
    "high bytes": line(b"GET /\xc3\xa4 HTTP/1.1", "a URL is ASCII"),
    "control character": line(b"GET /\x01 HTTP/1.1", "as above"),
    "DEL": line(b"GET /\x7f HTTP/1.1", "as above"),
    "NUL": line(b"GET /\0 HTTP/1.1", "as above"),
    "bare CR": line(b"GET /\r HTTP/1.1", "as above"),
    "relative": line(b"GET a/b HTTP/1.1", "neither a path nor a URL"),
    "dot": line(b"GET . HTTP/1.1", "as above"),
    "query only": line(b"GET ?a HTTP/1.1", "as above"),
    "backslash": line(b"GET \\a HTTP/1.1", "as above"),
    "asterisk": line(b"GET * HTTP/1.1", "only OPTIONS asks the server itself"),
    "OPTIONS asterisk": accepted(get(line=b"OPTIONS * HTTP/1.1"), Seen("OPTIONS", "*"), why="the server itself"),
    "asterisk and more": line(b"OPTIONS *a HTTP/1.1", "neither"),
    "authority": line(b"GET h:80 HTTP/1.1", "for CONNECT only"),
    "authority of CONNECT": line(b"CONNECT h:80 HTTP/1.1", "this is no proxy", 405),
    "CONNECT with a path": line(b"CONNECT / HTTP/1.1", "as above", 405),
    "CONNECT and what follows": refused(
        b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n" + SMUGGLED, 405, "no tunnel: no bytes through it"
    ),
    "URL": target(b"http://h/a?b", "/a?b", "RFC 9112, 3.2.2: to be accepted"),
    "URL of another host": target(b"http://other/a", "/a", "the URL's host counts, and replaces Host"),
    "URL, capital": target(b"HTTP://h/a", "/a", "a scheme has no case"),
    "URL without a path": target(b"http://h", "/", "its path is the root"),
    "URL with a query only": target(b"http://h?a", "/?a", "as above"),
    "URL and no Host": refused(get(line=b"GET http://h/ HTTP/1.1", host=b""), 400, "HTTP/1.1 has a Host all the same"),
    "URL and no Host in HTTP/1.0": accepted(
        get(line=b"GET http://h/a HTTP/1.0", host=b""), Seen("GET", "/a"), closes=True, why="the URL names it"
    ),
    "URL and a bad Host": refused(get(line=b"GET http://h/ HTTP/1.1", host=b"Host: h/evil"), 400, "no host"),
    "URL with a user": line(b"GET http://evil@h/ HTTP/1.1", "which one is the host?"),
    "URL without a host": line(b"GET http:///a HTTP/1.1", "RFC 9110, 4.2.1: to be refused"),
    "URL with a port only": line(b"GET http://:80/a HTTP/1.1", "as above"),
    "URL with a backslash": line(b"GET http://h\\@evil/ HTTP/1.1", "as for browsers: which one is the host?"),
    "URL with a fragment": line(b"GET http://h/#a HTTP/1.1", "it belongs to the client"),
    "URL with one slash": line(b"GET http:/h/a HTTP/1.1", "no authority"),
    "other scheme": line(b"GET ftp://h/ HTTP/1.1", "not ours"),
    "file": line(b"GET file:///etc/passwd HTTP/1.1", "not ours"),
    "websocket": line(b"GET ws://h/ HTTP/1.1", "not ours"),
}

UPGRADES = {
    "h2c": accepted(
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"),
        ROOT,
        why="ignored: HTTP/1.1 goes on",
    ),
    "h2c with a body": accepted(
        post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"),
        Seen("POST", "/p", b"hello"),
        why="the body is read before anything else",
    ),
    "h2c with chunks": accepted(
        post(b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n" + NO_CHUNKS),
        Seen("POST", "/p", b"hello"),
        why="as above",
    ),
    "h2c and its preface": accepted(
        get(b"Connection: Upgrade", b"Upgrade: h2c") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ROOT,
        refused=400,
        why="a front that believes it switched must not tunnel",
    ),
    "websocket of another age": accepted(get(b"Connection: Upgrade", b"Upgrade: WebSocket"), ROOT, why="ignored"),
    "Upgrade without Connection": accepted(get(b"Upgrade: h2c"), ROOT, why="ignored"),
    "TLS": accepted(get(b"Connection: Upgrade", b"Upgrade: TLS/1.0"), ROOT, why="ignored"),
}

STRANGERS = {
    "HTTP/2 preface": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "prior knowledge that is wrong"),
    "TLS": refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500, 400, "https on the port of http: told at once"),
    "SSL 2": refused(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\xaa" * 37, 400, "as above"),
    "PROXY 1": refused(b"PROXY TCP4 6.6.6.6 10.0.0.1 4711 80\r\n" + get(), 400, "nobody may name another client"),
    "PROXY 1, unknown": refused(b"PROXY UNKNOWN\r\n" + get(), 400, "as above"),
    "PROXY 2": refused(
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + b"\x06" * 12 + get(), 400, "it begins with empty lines, and goes on otherwise"
    ),
    "SSH": refused(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400, "no request line"),
    "SMTP": refused(b"EHLO h\r\nMAIL FROM:<a@b>\r\n\r\n", 400, "as above"),
    "Redis": refused(b"*1\r\n$4\r\nPING\r\n\r\n", 400, "as above"),
    "memcached": refused(b"get a\r\n\r\n", 400, "as above"),
    "WebSocket frame": refused(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 400, "a tunnel that was never opened"),
    "HTTP/2 frame": refused(b"\0\0\0\x04\0\0\0\0\0", 400, "as above"),
    "an answer": refused(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400, "sent in the wrong direction"),
    "FastCGI": refused(b"\x01\x01\x00\x01\x00\x08\x00\x00" + b"\0" * 8, 400, "a front of another kind"),
    "uwsgi": refused(b"\x00\x10\x00\x00\x06\x00METHOD\x03\x00GET", 400, "as above"),
    "SCGI": refused(b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,", 400, "as above"),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {"request line": LINES, "target": TARGETS, "upgrade": UPGRADES, "stranger": STRANGERS}.items()
    for name, case in cases.items()
}
