"""One request and what becomes of it, from when it may have a worker to its entry in the access log."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from prefork.events import Access
from prefork.http.identity import trace_of
from prefork.http.proxies import named
from prefork.lines import asking, more, told
from prefork.messages import DONTWAIT

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.dispatcher.workers import Worker
    from prefork.http.head import Head
    from prefork.http.proxies import Origin
    from prefork.messages import Ending, Fields, Inflow
    from prefork.scoreboard import Slot

THROW_AWAY = DONTWAIT | int(socket.MSG_TRUNC)  # as tcp(7) has it
UNIX = "unix:"  # what logs call a client that has no address


class Exchange:
    """A request on its way through the queue and a worker; it is complete, but for an `inflow`.

    `arrived` and `assigned` are monotonic seconds; `attempt` counts how often the application may have begun it, `deliveries`
    how often a worker was given it. The body is bytes, or a descriptor that `discard` closes.
    """

    __slots__ = (
        "arrived", "assigned", "attempt", "body", "buffered", "connection", "converses", "deliveries", "head", "inflow", "lane",
        "length", "number", "origin", "request_id", "service", "trace", "withdrawn", "worker",
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
        self.lane = 0
        self.request_id = ""
        self.attempt = 1
        self.deliveries = 0
        self.inflow: Inflow | None = None  # the rest of its body, which its worker reads from the client's socket
        self.buffered = 0  # how many bytes that is, where all of it is in the socket
        self.converses = False  # it is a WebSocket's handshake, and its worker keeps the connection
        self.service: float | None = None  # seconds that its worker had it, where that is known better than by the clock
        self.trace = ""
        self.withdrawn = False
        self.worker: Worker | None = None

    def request(self, keep: bool, lend: bool = False) -> Fields:
        """The message for a worker, which may be lent the connection afterwards."""
        head, origin = self.head, self.origin
        return (
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
            self.request_id,
            (self.connection.descriptor, self.connection.peer) if lend else None,
            tuple(self.inflow) if self.inflow else None,
            None,
        )

    def descriptors(self) -> list[int]:
        """What travels with the message: the client's socket, and a large body's file from its start."""
        if isinstance(self.body, bytes):
            return [self.connection.descriptor]
        os.lseek(self.body, 0, os.SEEK_SET)  # the position is shared with a worker that may have read from it and died
        return [self.connection.descriptor, self.body]

    def passed_over(self) -> bool:
        """Whether the next request is what comes next on the connection. So it is behind a body that waits in the socket, once that
        is thrown away: where no worker has been given it.
        """
        if self.inflow is None:
            return True
        if self.deliveries or not self.buffered:
            return False
        try:
            thrown = self.connection.socket.recv(self.buffered, THROW_AWAY)
        except OSError:
            return False
        if len(thrown) < self.buffered:
            return False
        self.inflow, self.connection.unread = None, True
        return True

    def discard(self) -> None:
        """Let go of the body."""
        if self.buffered:
            self.connection.traffic.buffered.release(self.buffered)
            self.buffered = 0
        if not isinstance(self.body, bytes):
            self.connection.traffic.disks.spool.close(self.body)
        self.body = b""

    def entry(self, status: int, sent: int, worker: str, ending: Ending | None) -> Access:
        """Its entry in the access log, at the moment of its end. `sent` is in bytes, `ending` what a worker says."""
        head = self.head
        wait, service = self._took()
        return Access(
            client=self.origin.client[0] or UNIX,
            method=head.method,
            target=self.target(),
            protocol="HTTP/" + head.version,
            status=status,
            bytes=sent,
            wait=wait,
            service=service,
            cpu=ending.cpu / 1e9 if ending else 0.0,
            worker=worker,
            request_id=self.request_id,
            referer=(head.header(b"referer") or b"").decode("latin-1"),
            user_agent=(head.header(b"user-agent") or b"").decode("latin-1"),
            queries=ending.queries if ending else 0,
            sql=ending.sql / 1e9 if ending else 0.0,
            tag=ending.tag if ending else "",
            trace=self.trace or trace_of(head.headers),
        )

    def line(self, status: int, sent: int, worker: str, ending: Ending | None) -> str:
        """The words of that entry where access lines are our own: to make an event of each takes longer than all the rest of it."""
        wait, service = self._took()
        asked = asking(self.origin.client[0] or UNIX, self.head.method, self.target())
        trace, cpu, end = self.trace or trace_of(self.head.headers), 0, ""
        if ending is not None:
            cpu, end = ending.cpu, more(ending.queries, ending.sql / 1e9, trace, ending.tag)
        elif trace:
            end = more(0, 0.0, trace, "")
        return told(asked, status, sent, wait, service, cpu / 1e9, worker, self.request_id, end)

    def _took(self) -> tuple[float, float]:
        """The seconds that it has waited, and that its worker had it."""
        if not self.deliveries:
            return time.monotonic() - self.arrived, 0.0
        service = time.monotonic() - self.assigned if self.service is None else self.service
        return self.assigned - self.arrived, service

    def described(self, slot: Slot) -> dict[str, Any]:
        """What an incident tells of it. The worker's slot has the application's tag."""
        return {
            "method": self.head.method,
            "target": self.target(),
            "client": self.origin.client[0] or UNIX,
            "id": self.request_id,
            "attempt": self.attempt,
            "tag": slot.tag(self.number),
        }

    def target(self) -> str:
        """The request target for logs."""
        return self.head.target.decode("latin-1")
