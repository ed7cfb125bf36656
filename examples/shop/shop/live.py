"""What is told to pages that are open: a line of the chat, a stock that has changed.

Open pages listen to a bus that the server keeps, and hear what a transaction has changed when that commits. Without that server
a page shows what is new when it is loaded again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import prefork
from prefork.store.connection import Unavailable

from . import database

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHAT, STOCK = "chat", "stock"


def authorize(_environ: dict[str, Any], channels: frozenset[str]) -> frozenset[str]:
    """Return what a page may listen to: `websocket_authorize` of prefork.conf."""
    return channels & {CHAT, STOCK}


def position() -> int | None:
    """Return where the bus is; None where there is none. A page asks first, and then for what it shows: so it misses nothing."""
    with suppress(*database.AWAY), database.engine().connect() as shop:
        driver = database.with_prefork(shop)
        return None if driver is None else prefork.bus.position(driver)
    return None


def tell(shop: Connection, channel: str, payload: object) -> None:
    """Have open pages hear of something when the transaction commits, where there is a bus."""
    with suppress(Unavailable):
        prefork.bus.publish(database.with_prefork(shop), channel, payload)
