"""Near misses: bytes of a corpus entry flipped, inserted, left out and doubled. Seeded, so that any of them can be had again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"5", b"a", b"\xff", b"\x7f", b"\x0b",
    b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: x\r\n", b"Connection: close\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"GET / HTTP/1.1\r\n", b" HTTP/1.0", b"http://x",
)  # fmt: skip


def mutate(data: bytes, chance: random.Random, changes: int) -> bytes:
    """The data with so many changes."""
    changed = bytearray(data)
    for _ in range(changes):
        place = chance.randrange(len(changed) + 1)
        way = chance.randrange(4)
        if way == 0 and place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            changed[place:place] = chance.choice(PIECES)
        elif way == 2:
            del changed[place : place + chance.randrange(1, 9)]
        else:
            changed[place:place] = changed[place : place + chance.randrange(1, 60)]
    return bytes(changed)
