"""The measuring client, a process of its own: so many clients ask again as soon as they are answered. Prints one JSON line.

    python client.py PORT CLIENTS SECONDS < request.json      {"target": …, "method": …, "headers": {…}, "body": …}

A latency counts from before the connection is opened, where one has to be: what waits in the kernel's queue waits as well. A
request has failed when it got no complete answer with status 200 within a minute; `gap` is the longest time in which nobody was
answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

TIMEOUT = 60.0
PAUSE = 0.05  # seconds after a failure, so that a server that refuses quickly does not fill the count


class Failed(Exception):
    """A request that got no complete answer with status 200."""


@dataclass
class Tally:
    """What all clients saw. Times are in seconds."""

    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answered: list[float] = field(default_factory=list)


class Client:
    """One connection at a time, kept while the server keeps it."""

    def __init__(self, port: int, request: bytes, tally: Tally) -> None:
        self.port, self.request, self.tally = port, request, tally
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def work(self, end: float) -> None:
        """Ask until the time is over."""
        while (began := time.monotonic()) < end:
            try:
                await asyncio.wait_for(self.ask(), TIMEOUT)
            except (OSError, EOFError, Failed) as error:
                self.close()
                self.tally.failures[str(error) if isinstance(error, Failed) else type(error).__name__] += 1
                await asyncio.sleep(PAUSE)
            else:
                now = time.monotonic()
                self.tally.latencies.append(now - began)
                self.tally.answered.append(now)
        self.close()

    async def ask(self) -> None:
        """One request and its whole answer. A kept connection that the server has closed meanwhile is replaced."""
        if self.streams and self.streams[0].at_eof():
            self.close()
        if not self.streams:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, headers = int(head.split(" ", 2)[1]), dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        if "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
        elif "chunked" in headers.get("transfer-encoding", ""):
            await self.read_chunks(reader)
        else:
            await reader.read(-1)
        if headers.get("connection") == "close" or head.startswith("http/1.0") or reader.at_eof():
            self.close()
        if status != 200:
            raise Failed(f"status {status}")

    async def read_chunks(self, reader: asyncio.StreamReader) -> None:
        """A body in chunks."""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.streams:
            self.streams[1].close()
            self.streams = None


def encoded(given: dict[str, object]) -> bytes:
    """The bytes of a request."""
    body = str(given.get("body") or "").encode()
    headers = {"Host": "127.0.0.1", "Connection": "keep-alive", **dict(given.get("headers") or {})}  # type: ignore[call-overload]
    if body:
        headers["Content-Length"] = str(len(body))
    lines = [f"{given.get('method', 'GET')} {given['target']} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def measure(port: int, clients: int, seconds: float, request: bytes) -> dict[str, object]:
    """What so many clients see in so many seconds."""
    tally = Tally()
    began = time.monotonic()
    await asyncio.gather(*(Client(port, request, tally).work(began + seconds) for _ in range(clients)))
    ended = time.monotonic()
    moments = sorted([began, *tally.answered, max(tally.answered, default=ended)])
    gap = max((later - earlier for earlier, later in pairwise(moments)), default=0.0)
    found = {"latencies": sorted(tally.latencies), "failures": dict(tally.failures), "gap": gap, "seconds": ended - began}
    return dict(found)


if __name__ == "__main__":
    given_port, given_clients, given_seconds = sys.argv[1:]
    asked = encoded(json.load(sys.stdin))
    print(json.dumps(asyncio.run(measure(int(given_port), int(given_clients), float(given_seconds), asked))))
