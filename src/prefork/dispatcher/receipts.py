"""What a receipt says in the words of the dispatcher: a request that has been answered, and its ending. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.dispatcher.exchange import Exchange
from prefork.http.head import Head
from prefork.http.proxies import Origin
from prefork.lending import ASKS_REPLACEMENT, ENDS_BROKEN, LASTS, OLD_HTTP
from prefork.messages import Ending

if TYPE_CHECKING:
    from prefork.dispatcher.connection import Connection
    from prefork.lending import Receipt


def entered(receipt: Receipt, connection: Connection, lane: int) -> Exchange:
    """A request that has been answered, as far as accounts need it."""
    headers = [(b"referer", receipt.referer), (b"user-agent", receipt.agent)]
    version = "1.0" if receipt.flags & OLD_HTTP else "1.1"
    head = Head(receipt.method.decode("latin-1"), receipt.target, version, headers, 0, True, False)
    origin = Origin((receipt.client.decode("latin-1"), 0), "http", headers)
    began = receipt.began / 1e9
    exchange = Exchange(connection, head, origin, b"", 0, began - receipt.wait / 1e9)
    exchange.number = receipt.number
    exchange.request_id = receipt.request_id.decode("latin-1")
    exchange.assigned, exchange.deliveries = began, 1
    exchange.service = receipt.service / 1e9
    exchange.lane = lane
    exchange.trace = receipt.trace.decode("latin-1")
    return exchange


def ending_of(receipt: Receipt) -> Ending:
    """What an ending would have said."""
    flags = receipt.flags
    return Ending(
        receipt.number,
        receipt.status,
        receipt.sent,
        receipt.cpu,
        keep=bool(flags & LASTS),
        worn=bool(flags & ASKS_REPLACEMENT),
        broken=bool(flags & ENDS_BROKEN),
        queries=receipt.queries,
        sql=receipt.sql,
        tag=receipt.tag.decode(errors="replace"),
    )
