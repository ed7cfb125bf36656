"""Thousands of slow clients in one process with one thread: it waits on epoll and does little for each of them.

    python crowd.py PORT --idle 15000 --senders 1500 --readers 500

The idle come first: each makes a request and keeps its connection. At a line on standard input come the senders (one byte a
second, half of them of a head and half of a body) and the readers (of an answer of 10 MiB, 16 KiB a second). When standard input
closes all leave at once. After each stage it prints what it has as a JSON line. A connection that the server ended is counted as
lost, except a sender's: it is refused after a while, and comes again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import socket
import struct
import sys
import time

IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen at connect(), where it only has to differ for the same two addresses
AT_ONCE = 64  # connections that are being opened
PER_SOURCE = 10_000  # of about 28,000 ports that one address has
TURNS = 20  # the seconds' parts; in each has a part of the senders and readers its turn
OPENING_TIME = 40.0  # seconds for each kind
WINDOW = 16384
NO_LINGER = struct.pack("ii", 1, 0)  # leaving by a reset keeps no port in TIME_WAIT
HELLO = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
DOWNLOAD = b"GET /download HTTP/1.1\r\nHost: bench\r\n\r\n"
SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: bench\r\nX-Slow: "
SLOW_BODY = b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000\r\n\r\n"


class Crowd:
    """The connections, by descriptor, and what became of them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.epoll = select.epoll()
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        self.opened = 0
        self.idle: dict[int, socket.socket] = {}
        self.readers: list[socket.socket] = []
        self.senders: list[socket.socket] = []
        self.lost = 0
        self.refused = 0
        self.read = 0
        self.turn = 0

    def connect(self, window: int = 0) -> socket.socket:
        """A new connection, from another address after so many."""
        made = socket.socket()
        made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        made.bind((f"127.0.0.{2 + self.opened // PER_SOURCE}", 0))
        self.opened += 1
        made.settimeout(OPENING_TIME)
        made.connect(("127.0.0.1", self.port))
        made.setblocking(False)
        return made

    def open_idle(self, count: int) -> None:
        """Open connections that make one request each; a wave of them at a time."""
        deadline = time.monotonic() + OPENING_TIME
        while len(self.idle) < count and time.monotonic() < deadline:
            asking = {made.fileno(): made for made in (self.connect() for _ in range(min(AT_ONCE, count - len(self.idle))))}
            for made in asking.values():
                made.send(HELLO)
                self.epoll.register(made, select.EPOLLIN)
            while asking and time.monotonic() < deadline:
                for descriptor, _ in self.epoll.poll(1):
                    if descriptor in asking:
                        self.settle(asking.pop(descriptor))

    def settle(self, client: socket.socket) -> None:
        """An answer has come: from now on the connection is idle."""
        if b" 200 " in client.recv(4096):
            self.idle[client.fileno()] = client
        else:
            self.lost += 1
            self.epoll.unregister(client)
            client.close()

    def open_readers(self, count: int) -> None:
        """Open readers; each has asked when this ends, and the first byte has come to all."""
        for _ in range(count):
            client = self.connect(WINDOW)
            client.send(DOWNLOAD)
            self.readers.append(client)
        waiting = select.poll()
        unanswered = {client.fileno() for client in self.readers}
        for descriptor in unanswered:
            waiting.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + OPENING_TIME
        while unanswered and time.monotonic() < deadline:
            for descriptor, _ in waiting.poll(1000):
                waiting.unregister(descriptor)
                unanswered.discard(descriptor)
        self.lost += len(unanswered)

    def open_sender(self, number: int) -> socket.socket:
        """Open a sender, of a head or a body; its first part is sent."""
        client = self.connect()
        client.send(SLOW_HEAD if number % 2 else SLOW_BODY)
        return client

    def run(self) -> None:
        """Send and read slowly until standard input closes."""
        due = time.monotonic()
        while True:
            for descriptor, _ in self.epoll.poll(max(0.0, due - time.monotonic())):
                if descriptor == sys.stdin.fileno():
                    return
                self.leave(descriptor)
            if time.monotonic() >= due:
                due += 1 / TURNS
                self.send_and_read()

    def leave(self, descriptor: int) -> None:
        """The server has ended an idle connection, or says something on it that nobody asked for."""
        self.lost += 1
        self.epoll.unregister(descriptor)
        self.idle.pop(descriptor).close()

    def send_and_read(self) -> None:
        """The turn of those whose part of the second it is."""
        for number in range(self.turn, len(self.senders), TURNS):
            self.send(number)
        for number in range(self.turn, len(self.readers), TURNS):
            self.receive(self.readers[number])
        self.turn = (self.turn + 1) % TURNS

    def send(self, number: int) -> None:
        """One byte; a sender that was refused begins again."""
        client = self.senders[number]
        try:
            client.send(b"x")
            client.recv(4096)  # what the server says to somebody who has not finished is a refusal
        except BlockingIOError:
            return
        except OSError:
            pass
        self.refused += 1
        client.close()
        self.senders[number] = self.open_sender(number)

    def receive(self, client: socket.socket) -> None:
        """A little of the answer."""
        if client.fileno() < 0:
            return
        try:
            got = len(client.recv(WINDOW))
        except BlockingIOError:
            return
        except OSError:
            got = 0
        self.read += got
        if not got:
            self.lost += 1
            client.close()

    def close(self) -> None:
        """Leave, all at once."""
        for client in [*self.idle.values(), *self.readers, *self.senders]:
            client.close()
        self.epoll.close()

    def say(self) -> None:
        """Print what there is."""
        spent = time.process_time()
        said = {"idle": len(self.idle), "senders": len(self.senders), "readers": len(self.readers)}
        print(json.dumps({**said, "lost": self.lost, "refused": self.refused, "read": self.read, "cpu": spent}), flush=True)


def main() -> None:
    """Read the command line and go through the stages."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("--idle", type=int, required=True)
    arguments.add_argument("--senders", type=int, required=True)
    arguments.add_argument("--readers", type=int, required=True)
    given = arguments.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = Crowd(given.port)
    crowd.open_idle(given.idle)
    crowd.say()
    os.read(sys.stdin.fileno(), 1)
    crowd.open_readers(given.readers)
    crowd.senders += [crowd.open_sender(number) for number in range(given.senders)]
    crowd.say()
    crowd.run()
    crowd.say()
    crowd.close()


if __name__ == "__main__":
    main()
