"""The fuzzing client: one process, many connections. `python -m tests.fuzz.generator PORT SECONDS LEAST SEED COUNT`.

Prints a line when it begins, and JSON when it ends: what was answered, in how many connections and seconds, and what came back
wrong. The kernel wakes it when a connection may have all its answers, and not for each of them: whoever is woken 10,000 times a
second takes from the server what it needs to answer. Each of its connections ends by a reset.
"""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import struct
import sys
import time

from .scripts import Script, scripts

CONNECTIONS = 32
SHORT = 3  # requests on a connection that is short
PATIENCE = 30.0  # seconds in which a connection must be answered
RESET = struct.pack("ii", 1, 0)  # SO_LINGER
BLOCK = 65536  # bytes read at once, and more than a connection is answered with
NAME = b"\r\nX-Seen: "  # in each answer of the application, and nowhere else: its value is JSON
SEEN = re.compile(NAME + rb"([^\r\n]*)\r\n")
LEAST = len(b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nX-Seen: \r\n\r\n")  # bytes of an answer, beside its value


class Visit:
    """One connection: its script is sent, its answers are awaited."""

    __slots__ = ("begun", "got", "script", "socket")

    def __init__(self, port: int, script: Script, now: float) -> None:
        self.script = script
        self.begun = now
        self.got = b""
        self.socket = socket.socket()
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        # The end wakes us however little there is.
        least = BLOCK if script.ends else sum(map(len, script.answers)) + LEAST * len(script.answers)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
        self.socket.sendall(script.sent)
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; True when it is all."""
        data = self.socket.recv(BLOCK)
        self.got += data
        if not data or (not self.script.ends and self.got.count(NAME) >= len(self.script.answers)):
            return True
        if not self.script.ends:  # what is still to come may be less than it was to wake us for
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        return False

    def right(self) -> bool:
        """Whether that is what was to come."""
        refusal = b"\r\n\r\n%d " % self.script.refused
        return SEEN.findall(self.got) == self.script.answers and (not self.script.refused or refusal in self.got)


class Generator:
    """Keeps so many visits going until its time is over, and enough has been answered."""

    def __init__(self, port: int, made: list[Script]) -> None:
        self.port = port
        self.scripts = itertools.cycle(made)
        self.epoll = select.epoll()
        self.visits: dict[int, Visit] = {}
        self.served = self.refused = self.connections = self.short = self.halves = 0
        self.wrong: list[str] = []

    def run(self, seconds: float, least: int) -> dict[str, object]:
        """Visit, and say what came of it."""
        begun = now = time.monotonic()
        end, looked = begun + seconds, begun
        while now < end or self.served + self.refused < least:
            for _ in range(CONNECTIONS - len(self.visits)):
                self.visit(now)
            for descriptor, _ in self.epoll.poll(0.5):
                self.look(self.visits[descriptor])
            now = time.monotonic()
            if now > looked + 1:
                looked = now
                self.give_up(now)
        counted = {name: getattr(self, name) for name in ("served", "refused", "connections", "short", "halves")}
        return {"seconds": now - begun, "wrong": self.wrong, **counted}

    def visit(self, now: float) -> None:
        """Open the next connection."""
        visit = Visit(self.port, next(self.scripts), now)
        if not visit.script.answers and not visit.script.ends:
            visit.socket.close()  # half a request, and gone
            self.halves += 1
            return
        self.visits[visit.socket.fileno()] = visit
        self.epoll.register(visit.socket.fileno(), select.EPOLLIN)

    def look(self, visit: Visit) -> None:
        """Something has come."""
        try:
            if not visit.read():
                return
            right = visit.right()
        except OSError as error:
            right = False
            visit.got += str(error).encode()
        self.leave(visit)
        self.connections += 1
        self.short += visit.script.requests <= SHORT
        self.served += len(visit.script.answers)
        self.refused += visit.script.refused > 0
        if not right:
            self.wrong.append(f"{visit.script} got {visit.got!r}")

    def leave(self, visit: Visit) -> None:
        """End the connection."""
        del self.visits[visit.socket.fileno()]
        self.epoll.unregister(visit.socket.fileno())
        visit.socket.close()

    def give_up(self, now: float) -> None:
        """Leave those that have waited too long."""
        for visit in [visit for visit in self.visits.values() if now - visit.begun > PATIENCE]:
            self.leave(visit)
            self.wrong.append(f"{visit.script} was not answered, but for {visit.got!r}")


if __name__ == "__main__":
    port, seconds, least, seed, count = map(int, sys.argv[1:])
    generator = Generator(port, scripts(seed, count))
    print("begins", flush=True)
    print(json.dumps(generator.run(seconds, least)))
