"""The master's control socket: one JSON object a line, in and out. One more descriptor of its loop, never a thread.

It can fail to be made, and clients can say anything or nothing: neither may disturb the master.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_CLIENTS = 32
LONGEST_LINE = 65536  # bytes


class Client:
    """One connection; answers wait in `outbox` until the client reads them."""

    def __init__(self, server: Server, wire: socket.socket) -> None:
        self.server = server
        self.wire = wire
        self.inbox = b""
        self.outbox = b""

    def ready(self) -> None:
        """It has sent something, or reads again."""
        self.flush()
        try:
            data = self.wire.recv(LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self.inbox) > LONGEST_LINE:
            self.close()
            return
        *lines, self.inbox = (self.inbox + data).split(b"\n")
        for line in lines:
            self.server.take(self, line)

    def answer(self, said: dict[str, Any]) -> None:
        """Send an answer; one whose client has left is dropped."""
        self.outbox += json.dumps(said).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes."""
        try:
            while self.outbox:
                self.outbox = self.outbox[self.wire.send(self.outbox) :]
        except BlockingIOError:
            pass
        except OSError:
            self.outbox = b""
        self.server.watch(self, writing=bool(self.outbox))

    def close(self) -> None:
        """Forget it."""
        self.server.forget(self)


class Server:
    """Listens at `path` with mode 0600. `handle(request, answer)` may call `answer` later. Raises OSError."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        handle: Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None],
    ) -> None:
        self.path = path
        self.selector = selector
        self.handle = handle
        self.clients: set[Client] = set()
        self.listener = listen(path)
        selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self) -> None:
        """Take a new client."""
        try:
            wire, _ = self.listener.accept()
        except OSError:
            return
        if len(self.clients) >= MOST_CLIENTS:
            wire.close()
            return
        wire.setblocking(False)
        client = Client(self, wire)
        self.clients.add(client)
        self.selector.register(wire, selectors.EVENT_READ, client.ready)

    def take(self, client: Client, line: bytes) -> None:
        """One line of a client."""
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            client.answer({"ok": False, "error": 'a request is one line with a JSON object such as {"command": "status"}'})
            return
        self.handle(request, client.answer)

    def watch(self, client: Client, *, writing: bool) -> None:
        """Be told when a client can be written to, or not."""
        if client in self.clients:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
            self.selector.modify(client.wire, events, client.ready)

    def forget(self, client: Client) -> None:
        """A client has left."""
        if client in self.clients:
            self.clients.remove(client)
            self.selector.unregister(client.wire)
            client.wire.close()

    def close(self) -> None:
        """Say goodbye to everybody and remove the socket."""
        for client in list(self.clients):
            self.forget(client)
        self.selector.unregister(self.listener)
        self.listener.close()
        self.path.unlink(missing_ok=True)


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, whatever its length; a leftover of a dead server is replaced. Raises OSError."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A unix address ends at 107 bytes, a path does not: take the short way over the directory's descriptor.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        made.bind(f"/proc/self/fd/{directory}/{path.name}")
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
        os.close(directory)
    made.listen(MOST_CLIENTS)
    made.setblocking(False)
    return made
