"""Sizes in bytes and times in seconds: read as people write them, written as people read them.

What is written here can be read back here. One M is 1,048,576 bytes, as in Odoo's own documentation.
"""

from __future__ import annotations

import re
from decimal import Decimal

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SHORTEST, LONGEST = 0.001, 31_536_000.0  # seconds: the least that is not nothing, and a year
HIGHEST = 2**31 - 1  # the largest count

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)\s*(?:([KMGT]?)(?:i?B)?|bytes?)", re.IGNORECASE | re.ASCII)

SECONDS = {"d": Decimal(86400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(d|h|ms|min|m|sec|s)\s*", re.ASCII)
PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def size(text: str) -> int:
    """Bytes in `671088640`, `640M`, `640 MB` or `2.5GiB`. Raises ValueError with a sentence."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a size; write bytes, or a number with K, M, G or T, such as 640M or 2.5GiB')
    return int(Decimal(match[1]) * UNITS[(match[2] or "").upper()])


def time(text: str) -> float:
    """Seconds in `120`, `2m`, `1h30m`, `1 min 30 s` or `250ms`. Raises ValueError with a sentence."""
    if PLAIN.fullmatch(text):
        return float(text)
    total, position, used = Decimal(0), 0, []
    while match := PART.match(text, position):
        unit = {"min": "m", "sec": "s"}.get(match[2], match[2])
        total += Decimal(match[1]) * SECONDS[unit]
        used.append(unit)
        position = match.end()
    if position < len(text) or not used or used != sorted(set(used), key=list(SECONDS).index):
        raise ValueError(f'"{text}" is not a time; write seconds, or units from d, h, m, s and ms, such as 120, 2m, 1h30m or 250ms')
    return float(total)


def size_words(count: int) -> str:
    """`671088640` as `640 MiB`; bytes where no unit gives a short exact number."""
    for unit in ("T", "G", "M", "K"):
        whole = Decimal(count) / UNITS[unit]
        if count >= UNITS[unit] and whole * 10 == int(whole * 10):
            return f"{whole.normalize():f} {unit}iB"
    return f"{count} {'byte' if count == 1 else 'bytes'}"


def about(count: float) -> str:
    """A size to one decimal place, for sentences about sums."""
    for unit in ("T", "G", "M", "K"):
        if count >= UNITS[unit]:
            return f"{count / UNITS[unit]:.1f}".removesuffix(".0") + f" {unit}iB"
    return f"{count:.0f} bytes"


def time_words(seconds: float) -> str:
    """`5400.0` as `1 h 30 min`, to the millisecond."""
    left = round(seconds * 1000)
    parts = []
    for word, milliseconds in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, milliseconds)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts) or "0 s"
