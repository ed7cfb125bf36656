"""The heads that clients send again and again: what they say is known, and need not be read once more.

One that has come twice is kept, compared byte by byte but for its *blanks*: what a proxy writes into each request, a client's
address or the request's own name. What a head says is the same for whoever sends it: who that is, and what the request is called,
is no part of it. Nobody may change the headers of a `Head`, which is that of other requests as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from prefork.http.head import Head, Reader

if TYPE_CHECKING:
    from prefork.http.proxies import Headers

KEPT = 256  # heads, up to this size (bytes)
LONGEST: Final = 1024
SEEN = 2048  # that have come once
BLANKS = (b"x-forwarded-for", b"x-real-ip", b"x-request-id")
# Words that are addresses, or a request's name as `identity.SANE` has it: nothing in them could end a line or mean anything to a
# parser, so a head is understood alike whatever stands there. `worker/shortcut.pyx` finds the same.
BLANK = re.compile(
    rb"(\r\n(?:x-request-id: ?(?=[a-z0-9._:+/=@-]+\r)|x-(?:forwarded-for|real-ip): ?(?! )))"
    rb"([a-z0-9._:+/=@, -]{1,128})(?<! )(?=\r\n)",
    re.IGNORECASE,
)

Made = TypeVar("Made")


def form_of(data: bytes) -> tuple[bytes, list[bytes]]:
    """The form of a head, and what its blanks are filled in with. Behind the text of one with blanks is their number, so that it is
    no other head's form: a blank that nobody has filled in is none.
    """
    parts = BLANK.split(data)
    values = parts[2::3]
    if not values:
        return data, values
    del parts[2::3]
    parts.append(bytes((len(values),)))
    return b"".join(parts), values


def blanks_of(headers: Headers, values: list[bytes]) -> list[int] | None:
    """Where the blanks of a head are among its headers; None unless those are all of these names, each once at the most."""
    found = [place for place, (name, _) in enumerate(headers) if name in BLANKS]
    names = {headers[place][0] for place in found}
    if len(names) < len(found) or [headers[place][1] for place in found] != values:
        return None
    return found


def filled(headers: Headers, places: list[int], values: list[bytes]) -> Headers:
    """The headers with other values in these places; where one is below zero there is no such header."""
    made = headers.copy()
    for number, place in enumerate(places):
        if place >= 0:
            made[place] = (made[place][0], values[number])
    return made


class Recurring(Generic[Made]):
    """What was made of the forms that have come twice: so many at the most, of so many that have come once."""

    def __init__(self, most: int, seen: int) -> None:
        self.most = most
        self.most_seen = seen
        self.kept: dict[bytes, Made] = {}
        self.seen: set[int] = set()  # their hashes

    def recurs(self, form: bytes) -> bool:
        """Whether it has come before, and so is worth being kept."""
        mark = hash(form)
        if mark in self.seen:
            return True
        if len(self.seen) >= self.most_seen:
            self.seen.clear()
        self.seen.add(mark)
        return False

    def keep(self, form: bytes, made: Made) -> Made:
        """Have this of it from now on."""
        if len(self.kept) >= self.most:
            self.kept.clear()
        self.kept[form] = made
        return made


class Repertoire:
    """Reads heads as its `reader` does, and those that it keeps not at all."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.heads: Recurring[tuple[Head, list[int]]] = Recurring(KEPT, SEEN)

    def read(self, data: bytes) -> Head:
        """The head in `data`, which ends with its first empty line. Raises Refused."""
        if len(data) > LONGEST:
            return self.reader.read(data)
        kept = self.heads.kept.get(data)  # it is its own form where it has no blanks, as most have none
        if kept is not None:
            return kept[0]
        form, values = form_of(data)
        kept = self.heads.kept.get(form)
        if kept is None:
            return self._read(data, form, values)
        head, places = kept
        return head._replace(headers=filled(head.headers, places, values)) if values else head

    def _read(self, data: bytes, form: bytes, values: list[bytes]) -> Head:
        head = self.reader.read(data)
        if self.heads.recurs(form) and (places := blanks_of(head.headers, values)) is not None:
            self.heads.keep(form, (head, places))
        return head
