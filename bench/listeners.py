"""Many clients of a stream of events in one process with one thread: how many listen, and how late they hear each event.

    python listeners.py PORT --clients 1000 --seconds 10

All connect first, a wave at a time. Then they listen for that long. What it prints is one JSON line: the clients that were answered
and those that the server has ended, the events that they have heard, and how late (seconds, ascending).
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import select
import socket
import time

AT_ONCE = 64  # connections that are being opened
OPENING_TIME = 60.0  # seconds for all of them
ASK = b"GET /events/ticks HTTP/1.1\r\nHost: bench\r\n\r\n"
EVENT = re.compile(rb"data: (\d+\.\d+)\n\n")
OK = b"HTTP/1.1 200 "


class Listeners:
    """The clients by descriptor, and what they have heard."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.epoll = select.epoll()
        self.clients: dict[int, socket.socket] = {}
        self.lost = 0
        self.delays: list[float] = []

    def connect(self, count: int) -> None:
        """Open them. Who is not answered with 200 is lost."""
        deadline = time.monotonic() + OPENING_TIME
        while len(self.clients) + self.lost < count and time.monotonic() < deadline:
            asking = [self.ask() for _ in range(min(AT_ONCE, count - len(self.clients) - self.lost))]
            for client in asking:
                self.settle(client)

    def ask(self) -> socket.socket:
        """A client that has asked."""
        client = socket.create_connection(("127.0.0.1", self.port), OPENING_TIME)
        client.sendall(ASK)
        return client

    def settle(self, client: socket.socket) -> None:
        """Read until the stream has begun."""
        data = b""
        while b"\r\n\r\n" not in data and (got := client.recv(4096)):
            data += got
        if not data.startswith(OK):
            self.lost += 1
            client.close()
            return
        client.setblocking(False)
        self.clients[client.fileno()] = client
        self.epoll.register(client, select.EPOLLIN)

    def listen(self, seconds: float) -> None:
        """Hear events; those from before everybody listened count for nobody."""
        self.delays.clear()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for descriptor, _ in self.epoll.poll(left):
                self.hear(descriptor)

    def hear(self, descriptor: int) -> None:
        """Something has come to a client. Events are shorter than a segment: none of them comes in two parts."""
        client = self.clients[descriptor]
        try:
            data = client.recv(4096)
        except OSError:
            data = b""
        now = time.monotonic()
        self.delays += [now - float(sent) for sent in EVENT.findall(data)]
        if not data:
            self.lost += 1
            self.epoll.unregister(client)
            self.clients.pop(descriptor).close()


def main() -> None:
    """Read the command line, listen, print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("--clients", type=int, required=True)
    arguments.add_argument("--seconds", type=float, required=True)
    given = arguments.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listeners = Listeners(given.port)
    listeners.connect(given.clients)
    print("listening", flush=True)
    listeners.listen(given.seconds)
    print(json.dumps({"clients": len(listeners.clients), "lost": listeners.lost, "delays": sorted(listeners.delays)}))


if __name__ == "__main__":
    main()
