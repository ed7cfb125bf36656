"""What a path says about its route: which of its segments are data, such as a number or a date, and which are names. Pure."""

from __future__ import annotations

import re

from prefork.http.paths import SLASHES

LONGEST_SEGMENT = 40  # what is longer is data
ANY = "{any}"  # stands for the names of a place that has too many
PLAIN = rb"(?:[\w.~!$'()*+,;=:@-]{0,%d}|\{(?:id|date|uuid|hash|slug)\}(?:\.\w+)?)" % LONGEST_SEGMENT
NAME = re.compile(PLAIN)
NAMES = re.compile(rb"(?:/%b)+" % PLAIN)
DATA = re.compile(
    rb"""(?<=/)(?:
        (?P<id>[0-9]+)
      | (?P<date>[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?(?:T[0-9:.+Z-]+)?)
      | (?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
      | (?P<hash>(?=[a-f]*[0-9])[0-9a-f]{8,} | (?=[^/]*[0-9])(?=[^/]*[A-Z])[\w-]{20,})
      | (?P<slug>[\w-]+-[0-9]+)
    )(?=(?:\.[A-Za-z][\w]{0,4})?(?:/|$))""",
    re.VERBOSE,
)
SIGNS = {kind: b"{%b}" % kind.encode() for kind in DATA.groupindex}


def signed(path: bytes) -> bytes:
    """A path in which data has the sign of its kind, such as `{id}` or `{date}`."""
    if b"//" in path:
        path = SLASHES.sub(b"/", path)
    return DATA.sub(named, path)


def segments(path: bytes) -> tuple[str, ...]:
    """The segments of a path that is `signed`. What is percent-encoded, or no ASCII, is data too, `{text}`.

    So whatever a client has sent, the result can be printed and used as a label.
    """
    if NAMES.fullmatch(path):
        return tuple(path[1:].decode().split("/"))
    return tuple(map(segment, path.removeprefix(b"/").split(b"/")))


def named(match: re.Match[bytes]) -> bytes:
    """The sign that stands for a kind of data."""
    return SIGNS[str(match.lastgroup)]


def segment(found: bytes) -> str:
    """One segment in which data has its signs already."""
    return found.decode() if NAME.fullmatch(found) else "{text}"
