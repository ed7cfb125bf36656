"""Who listens comes back with its last position, whatever a server does to its connection."""

import asyncio
import json
import ssl
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.store.listening import fact
from websockets.asyncio.server import ServerConnection, serve

from prefork.lab import listener
from prefork.lab.accounts import Ledger
from prefork.lab.door import Door


@pytest.fixture
def trust(tmp_path: Path) -> ssl.SSLContext:
    """That of a server, with a certificate of its own."""
    key = tmp_path / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", f"{key}.crt"]
    subprocess.run(made, check=True, capture_output=True)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(f"{key}.crt", key)
    return found


class Bus:
    """Does not answer the first handshake, cuts the first connection after a message, and goes on with the second one."""

    def __init__(self) -> None:
        self.handshakes = 0
        self.asked: list[dict[str, Any]] = []
        self.over = asyncio.Event()

    async def answer(self, *_: object) -> None:
        self.handshakes += 1
        if self.handshakes == 1:
            await self.over.wait()

    async def speak(self, live: ServerConnection) -> None:
        self.asked.append(json.loads(await live.recv()))
        position = 7 + len(self.asked)
        message = {"position": position, "channel": "orders", "payload": position * 10}
        await live.send(json.dumps({"subscribed": ["orders"], "position": position - 1}))
        await live.send(json.dumps({"messages": [message]}))
        if len(self.asked) == 1:
            live.transport.close()  # without a word
        await live.wait_closed()


def test_it_comes_back_to_where_it_was(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        async with serve(bus.speak, "127.0.0.1", 0, ssl=trust, process_request=bus.answer) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            hearing = listener.Listener(Door("127.0.0.1", port, "localhost"), ledger)
            hearing.start()
            await fact(lambda: len(ledger.heard) == 2)
            hearing.stop()
            await fact(lambda: not hearing.is_alive())
            bus.over.set()

    for name in ("OPENING", "AGAIN", "PING"):
        monkeypatch.setattr(listener, name, 0.3)
    bus, ledger = Bus(), Ledger()
    asyncio.run(tell())
    assert bus.asked == [{"subscribe": ["orders"]}, {"subscribe": ["orders"], "last": 8}]
    assert ledger.heard == Counter([80, 90])
