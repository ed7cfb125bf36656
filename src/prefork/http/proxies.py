"""Who the client is when a proxy stands before us: only a trusted peer may say so. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from prefork.http.head import HOST

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded", b"x-real-ip")
CHAIN = FORWARDED[0]
Headers = list[tuple[bytes, bytes]]


class Origin(NamedTuple):
    """Where a request came from: the client's (address, port), the scheme it used, and the headers with its own Host."""

    client: tuple[str, int]
    scheme: str
    headers: Headers


class Proxies:
    """The peers that are trusted, as addresses and networks; a unix socket's peer (no address) always is."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self.networks = tuple(ipaddress.ip_interface(network).network for network in trusted)
        self.trusts = lru_cache(1024)(self._trusts)

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return address == ""
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed.version == network.version and parsed in network for network in self.networks)

    def origin(self, peer: tuple[str, int], headers: Headers) -> Origin:
        """Apply the forwarding headers of a trusted peer; take those of any other away, so that nobody believes them."""
        if not any(name in FORWARDED for name, _ in headers):
            return Origin(peer, "http", headers)
        if not self.trusts(peer[0]):
            return Origin(peer, "http", [header for header in headers if header[0] not in FORWARDED])
        scheme = last(headers, b"x-forwarded-proto").lower()
        host = last(headers, b"x-forwarded-host")
        if host and HOST.match(host):
            headers = [(n, host if n == b"host" else v) for n, v in headers]
        client = self.first_untrusted(joined(headers, CHAIN).decode("latin-1"))
        return Origin((client, 0) if client else peer, "https" if scheme in {b"https", b"wss"} else "http", headers)

    def first_untrusted(self, chain: str) -> str:
        """The last address of X-Forwarded-For that is no proxy of ours: what stands before it, the client may have made up."""
        last = ""
        for hop in reversed(chain.split(",")):
            address = hop.strip()
            try:
                ipaddress.ip_address(address)
            except ValueError:
                break
            if "%" in address:  # what follows is the name of an interface: it may be any text, and none of ours
                break
            last = address
            if not self.trusts(address):
                break
        return last


def named(origin: Origin) -> tuple[str, int]:
    """Our (name, port) as the client calls us, for a connection that came in by no address: a unix socket's."""
    usual = 443 if origin.scheme == "https" else 80
    host = last(origin.headers, b"host").decode("latin-1")
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name or "localhost", int(port) if port else usual


def joined(headers: Headers, name: bytes) -> bytes:
    """A header's list: some proxies add to the line that is there, some add a line (RFC 9110, 5.2)."""
    return b",".join([value for known, value in headers if known == name])


def last(headers: Headers, name: bytes) -> bytes:
    """The last item of a header's list: what the nearest proxy said."""
    return joined(headers, name).rpartition(b",")[2].strip()
