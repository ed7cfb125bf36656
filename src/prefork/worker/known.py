"""Heads that come again on loans: what a request with one is, without reading it.

What a head says depends on whether its peer's word about clients counts. So there are two repertoires, and what a proxy has sent is
never looked up for anybody else. What differs each time is filled in: the client that a proxy speaks of, and the name of a request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from prefork.http.head import Head, Reader, Refused
from prefork.http.identity import NAME, trace_of
from prefork.http.proxies import CHAIN
from prefork.http.repertoire import Recurring, blanks_of
from prefork.lending import Asked, pack_asked

if TYPE_CHECKING:
    from prefork.http.proxies import Headers, Proxies

KNOWN = 128  # heads that are known of proxies, and of all others, up to this size (bytes); and those that have come once
LONGEST_KNOWN = 1024
SEEN = 1024
CLIENTS = 1024  # that proxies speak of, and who is known by the words for them


class Known(NamedTuple):
    """A head that has come more than once: what it says, what logs tell of it, and what the host makes of it.

    `headers` and `scheme` are those of a request, a proxy's word applied; `places` is where the blanks are among them, in their
    order, below zero where such a header is taken away. In `chain` and `name` is which of the blanks says who the client is, and
    what the request is called, below zero where none does.
    """

    head: Head
    asked: bytes
    memo: dict[str, Any]
    headers: list[tuple[bytes, bytes]]
    scheme: str
    places: list[int]
    chain: int
    name: int


class KnownHeads:
    """Of all loans on the same terms: `proxies` are those whose word counts, None where nobody's is heard. `excludes` says which
    heads no worker is to answer from a loan.
    """

    def __init__(self, reader: Reader, proxies: Proxies | None, excludes: Callable[[Head], bool]) -> None:
        self.reader = reader
        self.proxies = proxies
        self.excludes = excludes
        self.clients: Callable[[str], str] | None = lru_cache(CLIENTS)(proxies.first_untrusted) if proxies else None
        self.others: Recurring[Known] = Recurring(KNOWN, SEEN)
        self.trusted: Recurring[Known] = Recurring(KNOWN, SEEN)

    def of(self, peer: tuple[str, int]) -> Recurring[Known]:
        """The heads of a peer."""
        return self.trusted if self.proxies and self.proxies.trusts(peer[0]) else self.others

    def learn(self, first: bytes, form: bytes, values: list[bytes], peer: tuple[str, int]) -> Known | None:
        """What a head says that has come before, where that is the same each time but for its blanks. None for any other."""
        heads = self.of(peer)
        if len(first) > LONGEST_KNOWN or not heads.recurs(form):
            return None
        try:
            head = self.reader.read(first)
        except Refused:
            return None
        blanks = blanks_of(head.headers, values)
        if blanks is None or self.excludes(head):
            return None
        scheme, headers = "http", head.headers
        if self.proxies:
            _, scheme, headers = self.proxies.origin(peer, headers)
        names = [head.headers[place][0] for place in blanks]
        left = [name for name, _ in headers]
        places = [left.index(name) if name in left else -1 for name in names]
        chain = names.index(CHAIN) if CHAIN in names and heads is self.trusted else -1
        name = names.index(NAME) if NAME in names else -1
        memo = {"blanks": [place for number, place in enumerate(places) if place >= 0 and number != name]}
        told = asked(head.method, head.target, head.headers)
        return heads.keep(form, Known(head, told, memo, headers, scheme, places, chain, name))

    def client(self, chain: bytes, peer: tuple[str, int]) -> tuple[str, int]:
        """The client that a trusted peer speaks of, in a blank X-Forwarded-For; the peer itself where it speaks of none."""
        assert self.clients
        address = self.clients(chain.decode())
        return (address, 0) if address else peer


def asked(method: str, target: bytes, headers: Headers) -> bytes:
    """What logs tell of a request."""
    referer = agent = b""
    for name, value in headers:
        if name == b"user-agent":
            agent = agent or value
        elif name == b"referer":
            referer = referer or value
    return pack_asked(Asked(method.encode(), trace_of(headers).encode(), target, referer, agent))
