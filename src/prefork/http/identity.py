"""What a request is called: the X-Request-ID that it brought, or one that is made here, and the trace that it belongs to.

The id reaches the application, the client and the log under the same name, so that each can tell the others what it speaks of.
A trace is its client's: it is passed on and noted, and none is begun here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.http.proxies import Headers

NAME = b"x-request-id"
SANE = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}\Z")  # harmless in a header, a page and a line of the log
# The W3C's trace context. Of versions to come only the beginning is known.
TRACEPARENT = re.compile(
    rb"(?:00-(?=.{52}\Z)|(?!00|ff)[0-9a-f]{2}-)(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|\Z)"
)
ALPHABET = "23456789bcdfghjkmnpqrstvwxz"  # told apart on paper; without vowels no words come of it
LENGTH = 6  # a thousand dispatchers have the same prefix twice with a probability of a thousandth


class Identity:
    """Names requests: a prefix of this dispatcher, and a number. Short, because people read ids out to each other.

    Whoever else reads requests for it has a `prefix` made of its own.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix or "".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(LENGTH))
        self.made = 0

    def of(self, headers: Headers) -> str:
        """The id of the request with these headers, which hold it exactly once afterwards."""
        given = [value for name, value in headers if name == NAME]
        if len(given) == 1 and SANE.match(given[0]):
            return given[0].decode()
        if given:
            headers[:] = [header for header in headers if header[0] != NAME]
        made = self.make()
        headers.append((NAME, made.encode()))
        return made

    def make(self) -> str:
        """An id for a request whose head could not be read."""
        self.made += 1
        return self.numbered(self.made)

    def numbered(self, number: int) -> str:
        """The id that was made as the so manieth."""
        return f"{self.prefix}-{number}"


def trace_of(headers: Headers) -> str:
    """The id of the trace that a request belongs to, empty where it names none, or more than one."""
    given = [value for name, value in headers if name == b"traceparent"]
    found = TRACEPARENT.match(given[0]) if len(given) == 1 else None
    return found[1].decode() if found else ""
