"""The master's control socket: one JSON object a line, in and out. One more descriptor of its loop, never a thread.

It can fail to be made, and clients can say anything or nothing: neither may disturb the master.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_CLIENTS = 32
MOST_VISITS = 16  # of them a visitor's: so the server's own account always finds room
LONGEST_LINE = 65536  # bytes
MOST_UNREAD = 32 << 20  # bytes of answers


class Visitor(NamedTuple):
    """Another account whose socket it is, too. Whoever is neither us nor root asks nothing but these commands."""

    user: int
    commands: frozenset[str]


class Client:
    """One connection; answers wait in `outbox` until the client reads them. `visits`: it is another account's."""

    def __init__(self, server: Server, wire: socket.socket, *, visits: bool) -> None:
        self.server = server
        self.wire = wire
        self.visits = visits
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
            if self in self.server.clients:  # else it reads no answers, and has been let go of
                self.server.take(self, line)

    def answer(self, said: dict[str, Any]) -> None:
        """Send an answer; one whose client has left is dropped."""
        self.outbox += json.dumps(said).encode() + b"\n"
        self.flush()
        if len(self.outbox) > MOST_UNREAD:
            self.close()

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
    """Listens at `path`, for our own account and a `visitor`. `handle(request, answer)` may call `answer` later. Raises OSError."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        handle: Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None],
        visitor: Visitor | None = None,
    ) -> None:
        self.path = path
        self.selector = selector
        self.handle = handle
        self.visitor = visitor
        self.clients: set[Client] = set()
        self.listener = listen(path)
        if visitor:
            os.chown(path, visitor.user, -1)
        selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self) -> None:
        """Take a new client."""
        try:
            wire, _ = self.listener.accept()
        except OSError:
            return
        visits = self.visitor is not None and user_of(wire) not in {0, os.geteuid()}
        if len(self.clients) >= MOST_CLIENTS or (visits and sum(each.visits for each in self.clients) >= MOST_VISITS):
            wire.close()
            return
        wire.setblocking(False)
        client = Client(self, wire, visits=visits)
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
        elif client.visits and self.visitor and request["command"] not in self.visitor.commands:
            client.answer({"ok": False, "error": f"{request['command']} is for the account that has started the server"})
        else:
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


def user_of(wire: socket.socket) -> int:
    """The account at the other end, when it connected."""
    _, user, _ = struct.unpack("3i", wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(user)


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
