"""Publishes on Prefork's bus, each message in a transaction of its own: `PROGRAM COUNT RATE CHANNELS`.

So many messages, so many a second or, where that is 0, as fast as one connection can, to as many channels in turn.
"""

from __future__ import annotations

import os
import sys
import time

import psycopg

import prefork
from audience import stamped


def publish(count: int, rate: int, channels: int) -> None:
    """Publish them."""
    with psycopg.connect(os.environ["PREFORK_STORE_DSN"], autocommit=True) as connection:
        began = time.monotonic()
        for number in range(count):
            if rate:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            prefork.bus.publish(connection, f"channel.{number % channels}", stamped())


if __name__ == "__main__":
    publish(*map(int, sys.argv[1:]))
