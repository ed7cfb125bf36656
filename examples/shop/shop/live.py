"""What is told to pages that are open: a line of the chat, a stock that has changed.

Open pages listen to a bus that the server keeps; without that server, or while its database is away, the shop sells as ever and a
page shows what is new when it is loaded again.
"""

from __future__ import annotations

from typing import Any

import prefork
from prefork.store.connection import Unavailable

CHAT, STOCK = "chat", "stock"


def authorize(_environ: dict[str, Any], channels: frozenset[str]) -> frozenset[str]:
    """Return what a page may listen to: `websocket_authorize` of prefork.conf."""
    return channels & {CHAT, STOCK}


def tell(channel: str, payload: object) -> bool:
    """Have open pages hear of something; whether that was possible."""
    try:
        prefork.bus.publish(None, channel, payload)
    except Unavailable:
        return False
    return True
