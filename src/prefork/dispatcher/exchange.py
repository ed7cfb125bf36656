"""One request and what becomes of it, from its last byte to its entry in the access log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork.http.proxies import named
from prefork.messages import Request

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.workers import Worker
    from prefork.http.head import Head
    from prefork.http.proxies import Origin


class Exchange:
    """A complete request on its way through the queue and a worker.

    `arrived` and `assigned` are monotonic seconds; `attempt` counts how often the application may have begun it, `deliveries`
    how often a worker was given it. The body is bytes, or a descriptor that `discard` closes.
    """

    __slots__ = (
        "arrived", "assigned", "attempt", "body", "connection", "deliveries", "head", "length", "number", "origin",
        "withdrawn", "worker",
    )  # fmt: skip

    def __init__(self, connection: Connection, head: Head, origin: Origin, body: bytes | int, length: int, arrived: float) -> None:
        self.connection = connection
        self.head = head
        self.origin = origin
        self.body = body
        self.length = length
        self.arrived = arrived
        self.assigned = arrived
        self.number = 0
        self.attempt = 1
        self.deliveries = 0
        self.withdrawn = False
        self.worker: Worker | None = None

    def request(self, keep: bool) -> Request:
        """The message for a worker."""
        head, origin = self.head, self.origin
        return Request(
            self.number,
            self.attempt,
            head.method,
            head.target,
            head.version,
            origin.headers,
            self.body if isinstance(self.body, bytes) else None,
            self.length,
            origin.client,
            self.connection.local if self.connection.local[0] else named(origin),
            origin.scheme,
            keep,
        )

    def descriptors(self) -> list[int]:
        """What travels with the message: the client's socket, and a large body's file from its start."""
        if isinstance(self.body, bytes):
            return [self.connection.descriptor]
        os.lseek(self.body, 0, os.SEEK_SET)  # the position is shared with a worker that may have read from it and died
        return [self.connection.descriptor, self.body]

    def discard(self) -> None:
        """Let go of the body."""
        if not isinstance(self.body, bytes):
            os.close(self.body)
        self.body = b""

    def target(self) -> str:
        """The request target for logs."""
        return self.head.target.decode("latin-1")
