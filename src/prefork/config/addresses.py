"""How addresses are written and read: where the server listens, whose word counts, whom it tells."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefork.config.lists import names
from prefork.config.paths import path

if TYPE_CHECKING:
    from pathlib import Path

UNIX = "unix:"  # begins an address that is a path
LONGEST_SOCKET = 107  # bytes of a socket's path: unix(7)
HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", re.ASCII)


def interfaces(text: str, base: Path) -> tuple[str, ...]:
    """Addresses to listen on, each once; empty means all IPv4 addresses."""
    found = [interface(part, base) for part in names(text) or ("",)]
    for each in found:
        if found.count(each) > 1:
            raise ValueError(f"{each} is listed twice; name each address once")
    return tuple(found)


def interface(text: str, base: Path) -> str:
    """One address to listen on: an IP address, a host name, or `unix:` and an absolute path."""
    if text.startswith(UNIX):
        return UNIX + str(socket_path(text.removeprefix(UNIX).strip(), base))
    bare = text.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - the empty value means every address
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if HOST_NAME.fullmatch(bare) and not re.fullmatch(r"[\d.]+", bare):
            return bare
    raise ValueError(f'"{text}" is neither an IP address nor a host name, nor a path such as unix:/run/site/http.sock')


def socket_path(text: str, base: Path) -> Path:
    """A path that a socket can have."""
    if not text:
        raise ValueError(f"{UNIX} names no path; write one such as unix:/run/site/http.sock")
    found = path(text, base)
    if len(os.fsencode(found)) > LONGEST_SOCKET:
        raise ValueError(
            f"{found} has {len(os.fsencode(found))} bytes, a socket's path can have {LONGEST_SOCKET}; choose a shorter one"
        )
    return found


def port(text: str) -> int | None:
    """The port that a text names in digits; None where it names none."""
    found = int(text) if re.fullmatch(r"\d{1,5}", text, re.ASCII) else 0
    return found if 0 < found < 65536 else None


def networks(text: str) -> tuple[str, ...]:
    """A list of IP addresses and networks in their canonical form."""
    return tuple(network(part) for part in names(text))


def network(text: str) -> str:
    """One IP address or network, without host bits."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" is neither an IP address nor a network such as 10.0.0.0/8') from None
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def emails(text: str) -> tuple[str, ...]:
    """A list of mail addresses."""
    for part in names(text):
        if not re.fullmatch(r"[^\s@<>,]+@[^\s@<>,]+", part):
            raise ValueError(f'"{part}" is no mail address; write name@example.com')
    return names(text)


def url(text: str) -> str:
    """An address of the web. What is wrong is not repeated: it may hold a secret."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii() or not text.isprintable():
        raise ValueError("it is no address of http or https; write one such as https://example.com/alerts")
    return text
