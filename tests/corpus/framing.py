"""Where a body ends: Content-Length, Transfer-Encoding, both, neither, and what looks like them (RFC 9112, 6)."""

from __future__ import annotations

from .case import CHUNKED, NO_CHUNKS, POSTED, SMUGGLED, Case, Seen, accepted, get, length, post, refused

FIVE = Seen("POST", "/p", b"hello")


def codings(value: bytes, status: int, why: str) -> Case:
    """A Transfer-Encoding whose reader might take the body for chunked, or not."""
    return refused(post(b"Transfer-Encoding:" + value, body=NO_CHUNKS + SMUGGLED), status, why)


def lengths(value: bytes, why: str) -> Case:
    """A Content-Length that some read as 5, some as another number, some not at all."""
    return refused(post(b"Content-Length:" + value, body=b"hello" + SMUGGLED), 400, why)


def hidden(line: bytes, why: str, status: int = 400) -> Case:
    """A line that some take for a Transfer-Encoding, beside a length: TE.TE."""
    return refused(post(length(4), line, body=b"5c\r\n" + SMUGGLED + NO_CHUNKS), status, why)


BOTH = {
    "CL.TE": refused(
        post(length(len(NO_CHUNKS) + len(SMUGGLED)), CHUNKED, body=NO_CHUNKS + SMUGGLED),
        400,
        "the front counts, the back reads chunks",
    ),
    "TE.CL": refused(
        post(CHUNKED, length(4), body=b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + NO_CHUNKS), 400, "the front reads chunks"
    ),
    "CL.TE, no chunk": refused(post(length(0), CHUNKED, body=NO_CHUNKS), 400, "both say there is no body: still two ways to know"),
    "TE.CL in HTTP/1.0": refused(post(CHUNKED, length(5), body=b"hello", version=b"1.0"), 400, "a 1.0 reader knows no chunks"),
    "TE in HTTP/1.0": refused(post(CHUNKED, body=NO_CHUNKS, version=b"1.0"), 400, "RFC 9112, 6.1: faulty framing"),
    "TE in HTTP/1.0, kept alive": refused(
        post(CHUNKED, b"Connection: keep-alive", body=NO_CHUNKS + SMUGGLED, version=b"1.0"), 400, "what follows would be a request"
    ),
    "CL named by Connection": accepted(
        post(length(5), b"Connection: Content-Length", body=b"hello"), FIVE, why="no hop may take away what frames the body"
    ),
    "TE named by Connection": accepted(
        post(CHUNKED, b"Connection: Transfer-Encoding", body=b"5\r\nhello\r\n0\r\n\r\n"), FIVE, why="as above"
    ),
    "CL.0": accepted(
        post(length(len(SMUGGLED)), body=SMUGGLED), Seen("POST", "/p", SMUGGLED), why="a body that is a request is a body"
    ),
    "0.CL": accepted(
        get(length(len(SMUGGLED))) + SMUGGLED, Seen("GET", "/", SMUGGLED), why="GET may have a body; a front may think it has none"
    ),
    "TE.0": accepted(
        get(CHUNKED, line=b"OPTIONS / HTTP/1.1") + b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + NO_CHUNKS,
        Seen("OPTIONS", "/", SMUGGLED),
        why="OPTIONS may have a body",
    ),
    "GET with chunks": accepted(get(CHUNKED) + b"5\r\nhello\r\n" + NO_CHUNKS, Seen("GET", "/", b"hello"), why="so may GET"),
    "HEAD with a length": accepted(
        get(length(5), line=b"HEAD / HTTP/1.1") + b"hello", Seen("HEAD", "/", b"hello"), why="and HEAD: the length is believed"
    ),
    "no length": accepted(post() + SMUGGLED[:0], POSTED, why="RFC 9112, 6.3: without either the body is empty"),
    "no length in HTTP/1.0": accepted(post(version=b"1.0"), POSTED, closes=True, why="the body does not reach to the end"),
    "bytes behind the last request": accepted(
        post(length(5), b"Connection: close", body=b"hello" + SMUGGLED),
        FIVE,
        closes=True,
        why="the client has said that there is no more",
    ),
    "two requests": accepted(
        post(length(5), body=b"hello") + post(CHUNKED, body=b"5\r\nhello\r\n" + NO_CHUNKS),
        FIVE,
        FIVE,
        why="pipelined, counted and in chunks",
    ),
    "the second is ambiguous": accepted(
        post(length(5), body=b"hello") + post(length(0), CHUNKED, body=NO_CHUNKS),
        FIVE,
        refused=400,
        why="the first is answered all the same",
    ),
}

LENGTHS = {
    "plus": lengths(b" +5", "1*DIGIT has no sign; int() takes it"),
    "minus": lengths(b" -5", "a reader without signs sees a large number"),
    "minus zero": lengths(b" -0", "as above"),
    "hexadecimal": lengths(b" 0x5", "strtol() with base 0 takes it"),
    "underscore": lengths(b" 1_0", "Python's int() takes it"),
    "point": lengths(b" 5.0", "a reader that stops at the point sees 5"),
    "exponent": lengths(b" 5e0", "as above"),
    "space inside": lengths(b" 5 0", "5 or 50"),
    "tab inside": lengths(b" 5\t0", "as above"),
    "comma": lengths(b" 5,", "a list with an empty element"),
    "list of equals": lengths(b" 5, 5", "RFC 9110, 8.6 allows to repair it or to refuse it"),
    "list": lengths(b" 5, 40", "first or last"),
    "semicolon": lengths(b" 5;a=b", "a number takes no parameters"),
    "quotes": lengths(b' "5"', "a number is no quoted string"),
    "empty": lengths(b"", "no number: none, or zero"),
    "white space": lengths(b" \t ", "as above"),
    "word": lengths(b" five", "no number"),
    "full-width digit": lengths(b" \xef\xbc\x95", "Python's isdigit() takes it"),
    "superscript": lengths(b" \xb2", "latin-1's superscript two is a digit for isdigit()"),
    "beyond 64 bits": lengths(b" 18446744073709551621", "wraps to 5"),
    "beyond 32 bits": lengths(b" 99999999999999999999999", "nobody has so much"),
    "NUL behind": lengths(b" 5\0", "C ends its strings there"),
    "vertical tab before": lengths(b"\x0b5", "isspace() takes it"),
    "form feed behind": lengths(b" 5\x0c", "as above"),
    "no-break space": lengths(b" \xa05", "str.strip() takes it"),
    "bare CR": lengths(b" 5\r", "CR CR LF ends no line"),
    "two equal": refused(post(length(5), length(5), body=b"hello"), 400, "proxies differ in which one they drop"),
    "two": refused(post(length(5), length(40), body=b"hello" + SMUGGLED), 400, "first or last"),
    "two in other case": refused(post(length(5), b"content-LENGTH: 6", body=b"hello!"), 400, "names have no case"),
    "zero and five": refused(post(length(0), length(5), body=b"hello"), 400, "the first one alone says that there is no body"),
    "leading zeros": accepted(post(b"Content-Length: 0005", body=b"hello"), FIVE, why="1*DIGIT: all digits are decimal"),
    "no space": accepted(post(b"Content-Length:5", body=b"hello"), FIVE, why="optional white space"),
    "white space around": accepted(post(b"Content-Length: \t5 \t", body=b"hello"), FIVE, why="as above"),
    "underscore in the name": accepted(
        post(length(5), b"Content_Length: 40", body=b"hello"), FIVE, why="another header, and dropped"
    ),
    "similar name": accepted(post(length(5), b"X-Content-Length: 40", body=b"hello"), FIVE, why="another header"),
    "space before the colon": refused(post(b"Content-Length : 5", body=b"hello"), 400, "RFC 9112, 5.1: to be refused"),
    "tab before the colon": refused(post(b"Content-Length\t: 5", body=b"hello"), 400, "as above"),
    "folded": refused(post(b"Content-Length:", b" 5", body=b"hello"), 400, "empty, or 5"),
}

CODINGS = {
    "quotes": codings(b' "chunked"', 400, "no token"),
    "unknown": codings(b" xchunked", 400, "it ends like chunked"),
    "known beginning": codings(b" chunkedx", 400, "it begins like chunked"),
    "chunk": codings(b" chunk", 400, "a prefix"),
    "space inside": codings(b" chun ked", 400, "two words"),
    "vertical tab": codings(b"\x0bchunked", 400, "isspace() takes it"),
    "form feed": codings(b" chunked\x0c", 400, "as above"),
    "NUL": codings(b" chunked\0", 400, "C ends its strings there"),
    "no-break space": codings(b" chunked\xa0", 400, "str.strip() takes it"),
    "bare CR": codings(b" chunked\r", 400, "CR CR LF ends no line"),
    "bare LF": codings(b" \nchunked", 400, "folding without white space"),
    "comma behind": codings(b" chunked,", 400, "a list with an empty element"),
    "comma before": codings(b" ,chunked", 501, "as above"),
    "semicolon": codings(b" chunked;q=1", 400, "chunked takes no parameters"),
    "identity": codings(b" identity", 400, "gone since RFC 7230: chunked for some, counted for others"),
    "identity and chunked": codings(b" identity, chunked", 501, "as above"),
    "chunked and identity": codings(b" chunked, identity", 400, "chunked must be the last one"),
    "gzip": codings(b" gzip", 400, "the end of the body could not be known"),
    "gzip and chunked": codings(b" gzip, chunked", 501, "what would have to be unpacked is not understood"),
    "chunked twice": codings(b" chunked, chunked", 400, "RFC 9112, 6.1: never twice"),
    "empty": codings(b"", 400, "is there a coding?"),
    "white space": codings(b" \t", 400, "as above"),
    "two lines": refused(post(CHUNKED, CHUNKED, body=NO_CHUNKS + SMUGGLED), 400, "a list of two"),
    "two lines, first unknown": refused(post(b"Transfer-Encoding: x", CHUNKED, body=NO_CHUNKS + SMUGGLED), 501, "first or last"),
    "two lines, last unknown": refused(post(CHUNKED, b"Transfer-Encoding: x", body=NO_CHUNKS + SMUGGLED), 400, "first or last"),
    "folded": refused(post(b"Transfer-Encoding:", b" chunked", body=NO_CHUNKS + SMUGGLED), 400, "empty, or chunked"),
    "space before the colon": refused(post(b"Transfer-Encoding : chunked", body=NO_CHUNKS + SMUGGLED), 400, "RFC 9112, 5.1"),
    "other case": accepted(post(b"tRANSFER-eNCODING: ChUnKeD", body=b"5\r\nhello\r\n" + NO_CHUNKS), FIVE, why="names have no case"),
    "white space around": accepted(
        post(b"Transfer-Encoding: \tchunked ", body=b"5\r\nhello\r\n" + NO_CHUNKS), FIVE, why="optional"
    ),
    "tab behind": codings(b" chunked\t", 400, "legal, but llhttp takes it for a part of the word: refused is safe"),
    "TE": accepted(post(length(5), b"TE: chunked", body=b"hello"), FIVE, why="another header: what the client takes"),
    "Content-Encoding": accepted(
        post(length(5), b"Content-Encoding: chunked", body=b"hello"), FIVE, why="the application's concern"
    ),
}

HIDDEN = {
    "space before the colon": hidden(b"Transfer-Encoding : chunked", "seen by those who strip names"),
    "space before the name": hidden(b" Transfer-Encoding: chunked", "a folded line for some"),
    "tab before the name": hidden(b"\tTransfer-Encoding: chunked", "as above"),
    "vertical tab in the name": hidden(b"Transfer-Encoding\x0b: chunked", "seen by those who strip names"),
    "NUL in the name": hidden(b"Transfer-Encoding\0: chunked", "C ends its strings there"),
    "high byte in the name": hidden(b"Transfer-Encoding\xa0: chunked", "str.strip() takes it"),
    "high byte before the name": hidden(b"\xffTransfer-Encoding: chunked", "skipped by some"),
    "no colon": hidden(b"Transfer-Encoding chunked", "split at white space by some"),
    "behind a bare CR": hidden(b"X: y\rTransfer-Encoding: chunked", "CR ends a line for some"),
    "behind a bare LF": hidden(b"X: y\nTransfer-Encoding: chunked", "LF ends a line for some"),
    "behind LF CR": hidden(b"X: y\n\rTransfer-Encoding: chunked", "as above"),
    "behind a folded line": hidden(b"X: y\r\n Transfer-Encoding: chunked", "a value for some, a header for others"),
    "name only": hidden(b"Transfer-Encoding", "dropped by some"),
    "quoted": hidden(b'"Transfer-Encoding": chunked', "no token"),
    "behind the request line": refused(
        b"POST /p HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: h\r\nContent-Length: 4\r\n\r\n5c\r\n" + SMUGGLED + NO_CHUNKS,
        400,
        "RFC 9112, 2.2: white space before the first header",
    ),
    "with an underscore": accepted(
        post(length(5), b"Transfer_Encoding: chunked", body=b"hello"), FIVE, why="CGI would take it for the other: it is dropped"
    ),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {"both": BOTH, "length": LENGTHS, "coding": CODINGS, "hidden": HIDDEN}.items()
    for name, case in cases.items()
}
