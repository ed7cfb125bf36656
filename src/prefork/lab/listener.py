"""Who listens to the bus through the edge, and comes back with the last position whatever happens to the connection.

One thread with a loop of its own. With a thread that reads and another one that closes, a TLS connection is closed while somebody
reads it: its descriptor becomes another client's, whose first bytes the reader takes, and the reader never ends.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from prefork.lab.door import trusting

if TYPE_CHECKING:
    from prefork.lab.accounts import Ledger
    from prefork.lab.door import Door

AGAIN = 0.3  # seconds after which it comes back
OPENING, CLOSING = 5.0, 2.0  # seconds for the handshakes of a WebSocket
PING = 2.0  # seconds between two questions whether the connection lives


class Listener(threading.Thread):
    """Notes in the ledger what it hears, from `start` to `stop`. `manner` is how it connects besides."""

    def __init__(self, door: Door, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self.door, self.ledger = door, ledger
        self.manner: dict[str, Any] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """Listen until it is over."""
        asyncio.run(self._listen())

    def stop(self) -> None:
        """Have it end, soon."""
        self._over.set()

    def question(self) -> dict[str, Any]:
        """What it wants to hear, from where on."""
        last = self.ledger.last
        return {"subscribe": ["orders"]} | ({} if last is None else {"last": last})

    def hear(self, said: Any) -> None:
        """What the bus says."""
        self.ledger.hear(said)

    async def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, WebSocketException):
                await self._hear()
            await asyncio.sleep(AGAIN)

    async def _hear(self) -> None:
        address = f"wss://{self.door.domain}:{self.door.port}/websocket"
        async with connect(
            address,
            sock=self.door.socket(),
            ssl=trusting(),
            open_timeout=OPENING,
            close_timeout=CLOSING,
            ping_interval=PING,
            ping_timeout=PING,
            **self.manner,
        ) as live:
            await live.send(json.dumps(self.question()))
            while not self._over.is_set():
                with suppress(TimeoutError):
                    self.hear(json.loads(await asyncio.wait_for(live.recv(), PING)))
