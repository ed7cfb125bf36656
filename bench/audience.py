"""Thousands of WebSockets in one process with one thread: how many are let in, and how late they hear what is published.

    python audience.py PORT --clients 10000 [--channels 50] [--rate 500]

All connect first, no more than `--rate` a second, and it prints how many are in. With `--channels` each subscribes to one of them,
as clients of Prefork's bus do, and is in when it has. A line with a number on standard input has them listen until they have heard
so many messages; then it prints how late each was (seconds, ascending), when the first was published and when the last one came.
At the end of standard input they leave, no faster than they came. A message is whatever has a stamp in it (`stamped`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import select
import socket
import struct
import sys
import time
from typing import NamedTuple

IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen at connect(), where it only has to differ for the same two addresses
PER_SOURCE = 10_000  # of about 28,000 ports that one address has
AT_ONCE = 64  # connections that are being opened
PATIENCE = 20.0  # seconds without anything new after which no more is expected
LONGEST = 40.0  # seconds in which all have to be in, and then to have heard
TURN = 0.005  # seconds
BLOCK = 65536
NO_LINGER = struct.pack("ii", 1, 0)  # leaving by a reset keeps no port in TIME_WAIT
SIZE = 200  # bytes of a message
STAMP = re.compile(rb"at (\d+\.\d{6}) ")
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE = (
    b"GET /websocket HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
WELCOME, SUBSCRIBED = b"\r\n\r\n", b'{"subscribed":'


class Frame(NamedTuple):
    """What a server says."""

    kind: int
    data: bytes


def stamped() -> str:
    """A message that is published now, and says so."""
    return f"at {time.monotonic():.6f} ".ljust(SIZE, "x")


def masked(data: bytes, kind: int = TEXT) -> bytes:
    """A client's frame of up to 64 KiB, masked with nothing."""
    size = bytes((0x80 | len(data),)) if len(data) < 126 else struct.pack(">BH", 0xFE, len(data))
    return bytes((0x80 | kind,)) + size + bytes(4) + data


def frames(buffer: bytearray) -> list[Frame]:
    """The whole frames that have arrived, which are taken from the buffer."""
    found, at = [], 0
    while len(buffer) - at >= 2:
        size = buffer[at + 1]
        begin = at + {126: 4, 127: 10}.get(size, 2)
        if size > 125:
            size = int.from_bytes(buffer[at + 2 : begin], "big")
        if len(buffer) < begin + size:
            break
        found.append(Frame(buffer[at] & 0x0F, bytes(buffer[begin : begin + size])))
        at = begin + size
    del buffer[:at]
    return found


class Client:
    """One connection. It is in when the server has said what is `asked` for."""

    __slots__ = ("asked", "buffer", "channel", "socket")

    def __init__(self, port: int, number: int, channel: str) -> None:
        self.channel = channel
        self.asked = WELCOME
        self.buffer = bytearray()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.socket.bind((f"127.0.0.{2 + number // PER_SOURCE}", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(HANDSHAKE)
        self.socket.setblocking(False)

    def advance(self) -> bool:
        """Go on to be in as far as the server has answered; False: it does not let this one in."""
        if self.asked is WELCOME:
            head, end, rest = bytes(self.buffer).partition(WELCOME)
            if not end:
                return True
            if not head.startswith(b"HTTP/1.1 101 "):
                return False
            self.buffer[:] = rest
            self.asked = SUBSCRIBED if self.channel else b""
            if self.channel:
                self.socket.send(masked(b'{"subscribe": ["%b"]}' % self.channel.encode()))
        if self.asked is SUBSCRIBED and (said := self.heard()):
            self.asked = b""
            return said[0].data.startswith(SUBSCRIBED)
        return True

    def heard(self) -> list[Frame]:
        """What has arrived and is no ping; those are answered."""
        found = frames(self.buffer)
        for frame in found:
            if frame.kind == PING:
                self.socket.send(masked(frame.data, PONG))
        return [frame for frame in found if frame.kind != PING]


class Audience:
    """The clients by descriptor; `opening` are those that are not in yet."""

    def __init__(self, port: int, count: int, channels: int = 0) -> None:
        self.port, self.count, self.channels = port, count, channels
        self.epoll = select.epoll()
        self.clients: dict[int, Client] = {}
        self.opening: dict[int, Client] = {}
        self.lost = 0
        self.forget()

    def forget(self) -> None:
        """Count anew what is heard."""
        self.delays: list[float] = []
        self.first, self.last = float("inf"), 0.0

    # Coming and going.

    def come(self, rate: float) -> None:
        """Connect until all are in or lost, or it has taken long enough. Who is not in by then is lost."""
        began = moved = time.monotonic()
        made = 0
        while made < self.count or self.opening:
            now = time.monotonic()
            if now - moved > PATIENCE or now - began > LONGEST:
                break
            before = len(self.clients) + self.lost
            while made < min(self.count, 1 + (now - began) * rate) and len(self.opening) < AT_ONCE:
                self.open(made)
                made += 1
            self.look(TURN)
            if len(self.clients) + self.lost > before:
                moved = now
        self.lost += self.count - made
        for client in list(self.opening.values()):
            self.drop(client)

    def open(self, number: int) -> None:
        """Open one connection. Neighbours, whom a server gives to different workers, hear the same channel."""
        client = Client(self.port, number, f"channel.{number * self.channels // self.count}" if self.channels else "")
        self.opening[client.socket.fileno()] = client
        self.epoll.register(client.socket, select.EPOLLIN)

    def leave(self, rate: float) -> None:
        """Close all connections."""
        began = time.monotonic()
        for number, client in enumerate(self.clients.values()):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            client.socket.close()

    # Hearing.

    def hear(self, count: int) -> None:
        """Listen until so many messages have been heard, or it has taken long enough."""
        began = moved = now = time.monotonic()
        while len(self.delays) < count and now - moved < PATIENCE and now - began < LONGEST:
            before = len(self.delays)
            self.look(TURN)
            now = time.monotonic()
            if len(self.delays) > before:
                moved = now

    def look(self, seconds: float) -> None:
        """See what has arrived, or arrives within so many seconds."""
        for descriptor, _ in self.epoll.poll(seconds):
            client = self.clients.get(descriptor) or self.opening[descriptor]
            try:
                data = client.socket.recv(BLOCK)
            except OSError:
                data = b""
            now = time.monotonic()
            client.buffer += data
            if not data or not (self.admit(client) if client.asked else self.listen(client, now)):
                self.drop(client)

    def admit(self, client: Client) -> bool:
        """Let a client come in as far as the server does; False: not at all."""
        welcome = client.advance()
        if welcome and not client.asked:
            self.clients[client.socket.fileno()] = self.opening.pop(client.socket.fileno())
        return welcome

    def listen(self, client: Client, now: float) -> bool:
        """Note what has been said to a client; False: that it shall go."""
        for kind, data in client.heard():
            if kind == CLOSE:
                return False
            for stamp in map(float, STAMP.findall(data)):
                self.delays.append(now - stamp)
                self.first, self.last = min(self.first, stamp), now
        return True

    def drop(self, client: Client) -> None:
        """The server has ended a connection."""
        self.lost += 1
        self.epoll.unregister(client.socket)
        for those in (self.clients, self.opening):
            those.pop(client.socket.fileno(), None)
        client.socket.close()

    def await_word(self) -> bytes:
        """Look after all until there is something on standard input."""
        word = select.poll()
        word.register(sys.stdin.fileno(), select.POLLIN)
        while not word.poll(0):
            self.look(TURN)
        return os.read(sys.stdin.fileno(), 100)


def say(**found: object) -> None:
    """Print what there is."""
    print(json.dumps(found), flush=True)


def main() -> None:
    """Read the command line, and do as standard input says."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("--clients", type=int, required=True)
    arguments.add_argument("--channels", type=int, default=0)
    arguments.add_argument("--rate", type=float, default=1e6)
    given = arguments.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    audience = Audience(given.port, given.clients, given.channels)
    audience.come(given.rate)
    say(clients=len(audience.clients), lost=audience.lost)
    while word := audience.await_word():
        audience.hear(int(word))
        say(delays=sorted(audience.delays), first=audience.first, last=audience.last, lost=audience.lost)
        audience.forget()
    audience.leave(given.rate)
    say(lost=audience.lost)


if __name__ == "__main__":
    main()
