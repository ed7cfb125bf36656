"""Chunked bodies: sizes, extensions, ends and trailers (RFC 9112, 7.1)."""

from __future__ import annotations

from .case import CHUNKED, NO_CHUNKS, SMUGGLED, Case, Seen, accepted, post, refused

FIVE = Seen("POST", "/p", b"hello")
REST = b"\r\nhello\r\n" + NO_CHUNKS


def broken(body: bytes, why: str) -> Case:
    """A body that ends nowhere for certain."""
    return refused(post(CHUNKED, body=body + SMUGGLED), 400, why)


def whole(body: bytes, why: str) -> Case:
    """A body that says hello."""
    return accepted(post(CHUNKED, body=body), FIVE, why=why)


SIZES = {
    "plus": broken(b"+5" + REST, "strtol() takes it"),
    "minus": broken(b"-5" + REST, "as above: a huge chunk, or none"),
    "minus zero": broken(b"-0\r\n\r\n", "as above"),
    "0x": broken(b"0x5" + REST, "strtol() takes it; 0 for others"),
    "underscore": broken(b"0_5" + REST, "Python's int() takes it"),
    "space before": broken(b" 5" + REST, "int() takes it"),
    "tab before": broken(b"\t5" + REST, "as above"),
    "space behind": broken(b"5 " + REST, "some read on, some stop"),
    "tab behind": broken(b"5\t" + REST, "as above"),
    "vertical tab behind": broken(b"5\x0b" + REST, "as above"),
    "comma": broken(b"5,6" + REST, "no list"),
    "point": broken(b"5.0" + REST, "a number of hexadecimal digits only"),
    "empty": broken(REST, "zero for some"),
    "NUL": broken(b"5\0" + REST, "C ends its strings there"),
    "g": broken(b"g" + REST, "zero for atoi()"),
    "full-width digit": broken(b"\xef\xbc\x95" + REST, "Python's int() takes it"),
    "beyond 32 bits": broken(b"0" * 15 + b"100000005" + REST, "wraps to 5"),
    "beyond 64 bits": broken(b"10000000000000005" + REST, "wraps to 5"),
    "many zeros": broken(b"0" * 40 + b"5" + REST, "legal, and never honest: readers differ in where they give up"),
    "too many zeros for the end": broken(b"0" * 300 + b"\r\n\r\n", "as above"),
    "leading zeros": whole(b"00005" + REST, "1*HEXDIG"),
    "capital": accepted(
        post(CHUNKED, body=b"A\r\n0123456789\r\n" + NO_CHUNKS), Seen("POST", "/p", b"0123456789"), why="hexadecimal"
    ),
    "two chunks": whole(b"2\r\nhe\r\n3\r\nllo\r\n" + NO_CHUNKS, "the usual"),
}

ENDS = {
    "bare LF behind the size": broken(b"5\nhello\r\n" + NO_CHUNKS, "LF ends a line for some"),
    "bare CR behind the size": broken(b"5\rhello\r\n" + NO_CHUNKS, "CR ends a line for some"),
    "CR CR LF behind the size": broken(b"5\r\r\nhello\r\n" + NO_CHUNKS, "as above"),
    "bare LF behind the data": broken(b"5\r\nhello\n" + NO_CHUNKS, "one byte more or less"),
    "bare CR behind the data": broken(b"5\r\nhello\r" + NO_CHUNKS, "as above"),
    "nothing behind the data": broken(b"5\r\nhello" + NO_CHUNKS, "the next size is not where it must be"),
    "two bytes that are no CR LF": broken(b"5\r\nhelloXX" + NO_CHUNKS, "skipped unseen by some: TERM.EXT"),
    "space behind the data": broken(b"5\r\nhello \r\n" + NO_CHUNKS, "longer than it says"),
    "longer than it says": broken(b"5\r\nhello!\r\n" + NO_CHUNKS, "as above"),
    "shorter than it says": broken(b"6\r\nhello\r\n" + NO_CHUNKS, "its CR belongs to the data"),
    "bare LF behind zero": broken(b"0\n\r\n", "LF ends a line for some"),
    "bare LF as the end": broken(b"0\r\n\n", "as above"),
    "bare CR as the end": broken(b"0\r\n\r", "CR ends a line for some"),
    "no empty line": broken(b"0\r\n", "a request line in the place of a trailer"),
    "empty lines between chunks": broken(b"2\r\nhe\r\n\r\n3\r\nllo\r\n" + NO_CHUNKS, "skipped by some"),
    "data that looks like the end": accepted(
        post(CHUNKED, body=b"7\r\n\r\n0\r\n\r\n\r\n" + NO_CHUNKS),
        Seen("POST", "/p", b"\r\n0\r\n\r\n"),
        why="sizes count, not looks",
    ),
}

EXTENSIONS = {
    "name": whole(b"5;a" + REST, "legal, and of no meaning to us"),
    "value": whole(b"5;a=b;c=d" + REST, "as above"),
    "quoted value": whole(b'5;a="b;c d"' + REST, "as above"),
    "on the last chunk": whole(b"5\r\nhello\r\n0;a=b\r\n\r\n", "as above"),
    "bare LF": broken(b"5;a\nhello\r\n" + NO_CHUNKS, "LF ends the line for some: TERM.EXT"),
    "bare LF in the value": broken(b"5;a=b\nXX" + REST, "as above"),
    "bare CR": broken(b"5;a\rX" + REST, "CR ends the line for some"),
    "line break in quotes": broken(b'5;a="b\r\nhello"' + REST, "a line ends where it ends, whatever is open"),
    "bare LF in quotes": broken(b'5;a="b\nc"' + REST, "as above"),
    "open quotes": broken(b'5;a="b' + REST, "as above"),
    "escaped quote": broken(b'5;a="b\\"c"' + REST, "where do the quotes end?"),
    "NUL": broken(b"5;a\0" + REST, "C ends its strings there"),
    "space before": broken(b"5 ;a" + REST, "bad white space: allowed to be read, never to be sent"),
    "space behind": broken(b"5; a" + REST, "as above"),
    "space in the name": broken(b"5;a b" + REST, "no token"),
    "no name": broken(b"5;" + REST, "as above"),
    "no value": broken(b"5;a=" + REST, "as above"),
    "a size": broken(b"5;\r\n6" + REST, "which one is it?"),
    "high bytes": broken(b"5;a=\xff" + REST, "no token"),
    "long": broken(b"5;a=" + b"b" * 5000 + REST, "work for nothing"),
}

TRAILERS = {
    "one": whole(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "legal, and thrown away"),
    "Host": broken(b"0\r\nHost: evil\r\n\r\n", "RFC 9110, 6.5.1: never; it would replace the one that counts"),
    "Content-Length": broken(b"0\r\nContent-Length: 40\r\n\r\n", "as above; it would frame what is over"),
    "Transfer-Encoding": broken(b"0\r\ntransfer-ENCODING: chunked\r\n\r\n", "as above"),
    "Authorization": whole(b"5\r\nhello\r\n0\r\nAuthorization: Basic x\r\n\r\n", "it must not reach an application"),
    "X-Forwarded-For": whole(b"5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", "as above"),
    "a request": broken(b"0\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "no header: the end was forgotten"),
    "folded": broken(b"0\r\nX: y\r\n z\r\n\r\n", "obsolete folding"),
    "space before the colon": broken(b"0\r\nX : y\r\n\r\n", "as in a head"),
    "space before the name": broken(b"0\r\n X: y\r\n\r\n", "as in a head"),
    "no colon": broken(b"0\r\nX\r\n\r\n", "as in a head"),
    "no name": broken(b"0\r\n: y\r\n\r\n", "as in a head"),
    "bare LF": broken(b"0\r\nX: y\n\r\n", "LF ends a line for some: TRAIL.END"),
    "bare CR": broken(b"0\r\nX: y\rZ: a\r\n\r\n", "CR ends a line for some"),
    "NUL": broken(b"0\r\nX: \0\r\n\r\n", "C ends its strings there"),
    "control character": broken(b"0\r\nX: \x01\r\n\r\n", "as in a head"),
    "many": broken(b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n", "work for nothing"),
}

CASES = {
    f"chunk {group}: {name}": case
    for group, cases in {"size": SIZES, "end": ENDS, "extension": EXTENSIONS, "trailer": TRAILERS}.items()
    for name, case in cases.items()
}
