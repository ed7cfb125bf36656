"""The servers of the report on growth: Prefork with few and many workers, and others beside it among many connections.

This module starts nothing.
"""

from __future__ import annotations

from dataclasses import replace

from servers import SERVERS, Server, only, prefork, prefork_workers

QUEUE = 20_000
COUNTS = (1, 2, 4, 8, 16, 32, 64)
WAYS = {"handed over": (), "lent": ("--lend-connections",)}
PEERS = ("gunicorn-gthread", "granian", "uvicorn")


def grown(workers: int, way: str) -> Server:
    """Prefork with so many workers."""
    return Server(
        f"{workers} worker{'s' if workers > 1 else ''}, {way}",
        "prefork",
        prefork("info", *WAYS[way], workers=workers),
        prefork_workers,
        f"{way}, access log to a file",
        scenarios=only("workers"),
        count=workers,
    )


def crowded(name: str, way: str, *, compiled: bool = False) -> Server:
    """Prefork with a queue for all that may ask: by default it answers 503 to what is beyond its queue."""
    command = prefork("info", *WAYS[way], compiled=compiled, queue_size=QUEUE, queue_timeout=60)
    return Server(
        name,
        "prefork",
        command,
        prefork_workers,
        f"{'compiled' if compiled else 'from source'}, {way}, access log to a file, queue_size = {QUEUE}",
        scenarios=only("connections"),
        compiled=compiled,
    )


GROWN = (
    *(grown(workers, way) for way in WAYS for workers in COUNTS),
    crowded("prefork", "handed over"),
    crowded("prefork-lent", "lent"),
    crowded("prefork-lent-compiled", "lent", compiled=True),
    *(replace(each, scenarios=only("connections")) for each in SERVERS if each.name in PEERS),
)
