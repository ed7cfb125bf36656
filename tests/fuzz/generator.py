"""The fuzzing client: one process, many connections. `python -m tests.fuzz.generator PORT SECONDS SEED COUNT`.

Prints a line when it begins, and JSON when it ends: requests that were answered, connections, seconds, and what came back wrong.
Each of its connections ends by a reset.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import struct
import sys
import time

from .scripts import Script, scripts

CONNECTIONS = 32
PATIENCE = 10.0  # seconds in which a connection must be answered
RESET = struct.pack("ii", 1, 0)  # SO_LINGER
SEEN = b"\r\nX-Seen: ["  # in each answer of the application, and nowhere else: its value is JSON


class Visit:
    """One connection: its script is sent, its answers are awaited."""

    __slots__ = ("begun", "got", "script", "socket")

    def __init__(self, port: int, script: Script, now: float) -> None:
        self.script = script
        self.begun = now
        self.got = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.sendall(script.sent)
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; True when it is all."""
        data = self.socket.recv(1 << 18)
        self.got += data
        return not data if self.script.ends else self.got.count(SEEN) >= self.script.answers

    def right(self) -> bool:
        """Whether that is what was to come."""
        answered = self.got.count(SEEN) == self.script.answers
        refusal = b"\r\n\r\n%d " % self.script.refused
        return answered and (not self.script.refused or refusal in self.got)


class Generator:
    """Keeps so many visits going until its time is over."""

    def __init__(self, port: int, made: list[Script]) -> None:
        self.port = port
        self.scripts = itertools.cycle(made)
        self.epoll = select.epoll()
        self.visits: dict[int, Visit] = {}
        self.requests = self.connections = 0
        self.wrong: list[str] = []

    def run(self, seconds: float) -> dict[str, object]:
        """Visit, and say what came of it."""
        begun = time.monotonic()
        end = begun + seconds
        while (now := time.monotonic()) < end:
            for _ in range(CONNECTIONS - len(self.visits)):
                self.visit(now)
            for descriptor, _ in self.epoll.poll(0.5):
                self.look(self.visits[descriptor])
            self.give_up(now)
        seconds = time.monotonic() - begun
        return {"requests": self.requests, "connections": self.connections, "seconds": seconds, "wrong": self.wrong}

    def visit(self, now: float) -> None:
        """Open the next connection."""
        visit = Visit(self.port, next(self.scripts), now)
        if not visit.script.answers and not visit.script.ends:
            visit.socket.close()  # half a request, and gone
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
        self.requests += visit.script.answers + (visit.script.refused > 0)
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
    port, seconds, seed, count = map(int, sys.argv[1:])
    generator = Generator(port, scripts(seed, count))
    print("begins", flush=True)
    print(json.dumps(generator.run(seconds)))
