"""The wires between the master and the processes that it has started: rare JSON objects, and descriptors.

Their framing is that of all messages. Standard library only, Python 3.9+: one end may be inside the application's interpreter.
"""

from __future__ import annotations

import json
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.messages import CLOEXEC, DONTWAIT, inbox, receive, send

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable


class Channel:
    """One end of a wire for JSON objects and descriptors. Sending never blocks: what does not fit waits for `flush`."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.waiting: deque[tuple[bytes, list[int]]] = deque()
        self.broken = False

    def send(self, kind: str, descriptors: list[int] | None = None, **fields: Any) -> None:
        """Send an object. The descriptors are duplicated when it has to wait, so the caller may close its own. Raises OSError
        when there is no room for that.
        """
        message = json.dumps({"kind": kind, **fields}).encode()
        self.waiting.append((message, copies(descriptors or ())))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the wire takes it. A wire whose other end is gone is `broken` and swallows the rest."""
        while self.waiting:
            message, descriptors = self.waiting[0]
            try:
                if not self.broken:
                    send(self.wire, message, descriptors, DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self.broken = True
            self.waiting.popleft()
            for descriptor in descriptors:
                os.close(descriptor)

    def receive(self, flags: int = CLOEXEC) -> tuple[dict[str, Any] | None, list[int]]:
        """The next object with its descriptors, or None at the end of the wire. Raises BlockingIOError with CLOEXEC_DONTWAIT."""
        message, descriptors = receive(self.wire, inbox(), flags)
        return (json.loads(message), descriptors) if message else (None, [])

    def close(self) -> None:
        """Close this end; the other one sees the end of the wire."""
        for _, descriptors in self.waiting:
            for descriptor in descriptors:
                os.close(descriptor)
        self.waiting.clear()
        self.wire.close()


def copies(descriptors: Iterable[int]) -> list[int]:
    """Duplicates of all of them, or of none. Raises OSError."""
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))  # noqa: PERF401 - those that were made have to be known
    except OSError:
        for descriptor in made:
            os.close(descriptor)
        raise
    return made
