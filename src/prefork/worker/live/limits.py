"""Pure: from which pages one may connect, how fast a client may speak, in which waves the connections of a worker are closed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

BURST = 2.0  # seconds' worth of messages that may come at once
PAUSE = 0.1  # seconds between two waves
LEAST = 25  # connections in one: a few hundred who come back at once harm nobody
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def welcome(origin: str | None, host: str, scheme: str, others: Collection[str]) -> bool:
    """Whether the page that a handshake comes from may connect: one of our own host, or one of the `others`.

    What is no browser has no origin, and could forge it anyway: the check protects people whose browser shows somebody else's page.
    """
    if origin is None or "*" in others:
        return True
    return origin.lower() in others or place(origin) == place(f"{scheme}://{host}") is not None


def same_host(origin: str, host: str) -> bool:
    """Whether a page is one of our own host, at whatever port: where a proxy does not say that it has the certificate."""
    page, own = place(origin), place(f"http://{host}")
    return page is not None and own is not None and page[0] == own[0]


def place(url: str) -> tuple[str, int] | None:
    """Host and port of a URL; None where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


class Pace:
    """Messages of one client: `rate` in a second, and at most `BURST` seconds' worth of them at once."""

    __slots__ = ("since", "used")

    def __init__(self) -> None:
        self.used = 0.0
        self.since = 0.0

    def allows(self, rate: float, now: float) -> bool:
        """Whether one more is not too many; 0 is no limit."""
        self.used = max(0.0, self.used - (now - self.since) * rate) + 1
        self.since = now
        return not rate or self.used <= rate * BURST


def wave(count: int, seconds: float) -> int:
    """How many of `count` connections to close every `PAUSE`, so that all are closed after so many seconds at the most."""
    return max(LEAST, math.ceil(count * PAUSE / seconds)) if seconds else max(1, count)
