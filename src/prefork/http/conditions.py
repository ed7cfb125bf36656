"""Whether a client needs a file, and which part of it: preconditions and ranges (RFC 9110, 13 and 14). Pure.

Runs inside the application's interpreter too: standard library only, Python 3.9+.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from prefork.http.framing import date_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TAG = re.compile(rb'(?:W/)?"[^"]*"')
TAGS = re.compile(rb'[ \t,]*(?:(?:W/)?"[^"]*"[ \t]*(?:,[ \t,]*|\Z))*\Z')
RANGE = re.compile(rb"bytes[ \t]*=[ \t]*([0-9]{0,99})[ \t]*-[ \t]*([0-9]{0,99})[ \t]*\Z", re.IGNORECASE)
ASKED = frozenset((b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since", b"if-range", b"range"))


class File(NamedTuple):
    """What a client may know of a file: its entity tag with quotes, when it was modified (seconds since 1970), its bytes."""

    tag: bytes
    modified: int
    size: int


class Part(NamedTuple):
    """The answer: its status, and which bytes of the file are its body (none, unless the status is 200 or 206)."""

    status: int
    offset: int
    length: int


def tag_of(modified_ns: int, size: int) -> bytes:
    """An entity tag from what changes when a file does."""
    return b'"%x-%x"' % (modified_ns, size)


def choose(method: str, headers: Iterable[tuple[bytes, bytes]], file: File) -> Part:
    """The part that a request with these headers (lower-case names) gets. Several ranges at once get the whole, as is allowed.

    So does every method but GET and HEAD: what another one wanted has been done, and no condition can prevent it any more.
    """
    whole = Part(200, 0, file.size)
    asked = gathered(headers) if method in {"GET", "HEAD"} else {}
    if not asked:
        return whole
    status = precondition(asked, file)
    if status != 200:
        return Part(status, 0, 0)
    span = asked.get(b"range")
    # Some clients ask every file for its first bytes. An empty one has none, and is sent whole all the same.
    if span is None or method != "GET" or not file.size or not range_applies(asked.get(b"if-range"), file):
        return whole
    return part(span, file.size)


def gathered(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that matter here; one that came in several lines is the list of them (RFC 9110, 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in ASKED:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def precondition(asked: dict[bytes, bytes], file: File) -> int:
    """200, or the status that answers instead: in the order of RFC 9110, 13.2.2."""
    if b"if-match" in asked:
        if not listed(asked[b"if-match"], file.tag, weak=False):
            return 412
    elif b"if-unmodified-since" in asked:
        since = moment(asked[b"if-unmodified-since"])
        if since is not None and file.modified > since:
            return 412
    if b"if-none-match" in asked:
        if listed(asked[b"if-none-match"], file.tag, weak=True):
            return 304
    elif b"if-modified-since" in asked:
        since = moment(asked[b"if-modified-since"])
        if since is not None and file.modified <= since:
            return 304
    return 200


def listed(value: bytes, tag: bytes, *, weak: bool) -> bool:
    """Whether a list of entity tags has this one. A weak comparison overlooks the mark of weak tags, a strong one fails on it.

    What is no such list has no tag.
    """
    if value.strip(b" \t") == b"*":
        return True
    tags = TAG.findall(value) if TAGS.match(value) else []
    if weak:
        return bare(tag) in map(bare, tags)
    return not tag.startswith(b"W/") and tag in tags


def bare(tag: bytes) -> bytes:
    """An entity tag without the mark of a weak one."""
    return tag[2:] if tag.startswith(b"W/") else tag


def range_applies(condition: bytes | None, file: File) -> bool:
    """Whether the file is still the one that the client has a part of (If-Range)."""
    if condition is None:
        return True
    if b'"' in condition:
        return condition.strip(b" \t") == file.tag and not file.tag.startswith(b"W/")
    return moment(condition) == file.modified


def part(span: bytes, size: int) -> Part:
    """The bytes of one range; 416 when the file has none of them."""
    match = RANGE.match(span)
    if not match or not (match[1] or match[2]):
        return Part(200, 0, size)
    if not match[1]:
        length = min(int(match[2]), size)
        return Part(206, size - length, length) if length else Part(416, 0, 0)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return Part(200, 0, size)  # no range at all
    if first >= size:
        return Part(416, 0, 0)
    return Part(206, first, min(last, size - 1) - first + 1)


def moment(value: bytes) -> int | None:
    """One date of HTTP as seconds since 1970, None for anything else. Without a zone it is UTC, as all three forms are."""
    from datetime import datetime, timezone  # here, as most clients name a tag, and these two take most of a megabyte
    from email.utils import parsedate_tz

    try:
        parsed = parsedate_tz(value.decode("latin-1")) if value.count(b",") < 2 else None
        return int(datetime(*parsed[:6], tzinfo=timezone.utc).timestamp()) - (parsed[9] or 0) if parsed else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def described(file: File, chosen: Part) -> list[tuple[bytes, bytes]]:
    """The headers that say which file it is and which part; without a length."""
    lines = [
        (b"Last-Modified", date_of(file.modified)),
        (b"ETag", file.tag),
        (b"Accept-Ranges", b"bytes"),
    ]
    if chosen.status == 206:
        lines.append((b"Content-Range", b"bytes %d-%d/%d" % (chosen.offset, chosen.offset + chosen.length - 1, file.size)))
    elif chosen.status == 416:
        lines.append((b"Content-Range", b"bytes */%d" % file.size))
    return lines
