"""Somebody who publishes on the bus, as busy applications do."""

import random
import threading
import time
from contextlib import ExitStack, suppress

import psycopg

from prefork import bus

AT_ONCE = 3  # transactions of a publisher that are open together


def channel(number: int) -> str:
    return f"channel.{number}"


class Publisher(threading.Thread):
    """Publishes so many messages, in transactions that overlap and end in another order than they began; some are undone.

    `rate` is the most that it publishes in a second, 0 any number.
    """

    def __init__(self, dsn: str, messages: int, channels: int, rate: float = 0) -> None:
        super().__init__(daemon=True)
        self.dsn, self.messages, self.channels, self.rate = dsn, messages, channels, rate
        self.published = 0
        self.pace = threading.Event()
        self.chance = random.Random(7)

    def run(self) -> None:
        while self.published < self.messages:
            with suppress(psycopg.OperationalError), ExitStack() as stack:
                self.publish([stack.enter_context(psycopg.connect(self.dsn)) for _ in range(AT_ONCE)])

    def publish(self, connections: list[psycopg.Connection]) -> None:
        began, before = time.monotonic(), self.published
        while self.published < self.messages:
            for connection in connections:
                for _ in range(self.chance.randint(1, 5)):
                    bus.publish(connection, channel(self.chance.randrange(self.channels)), self.published)
                    self.published += 1
            for connection in self.chance.sample(connections, AT_ONCE):
                connection.rollback() if self.chance.random() < 0.05 else connection.commit()
            if self.rate:
                self.pace.wait(max(0.0, began + (self.published - before) / self.rate - time.monotonic()))
