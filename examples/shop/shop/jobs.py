"""What no visitor waits for: done by workers of their own, each job once or, where its worker was killed, once more.

The synchronisation with the warehouse is minutes of an ERP's day in miniature. It writes down how far it has come, so that a run
that goes on after a kill does not begin again.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from sqlalchemy import text

import prefork

from . import live
from .catalogue import PRODUCTS
from .database import rows, transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

ARTICLES = 10_000
AT_ONCE = 100  # articles in one transaction: visitors who order wait for none of them
EFFORT = 2_500  # rounds of a hash for each article, about a millisecond: what an ERP computes about it

prefork.cron.every("1 hour")(prefork.sessions.collect)


COUNTED = """
INSERT INTO stock (article, pieces, sync) VALUES (:article, :pieces, :sync)
ON CONFLICT (article) DO UPDATE SET pieces = excluded.pieces, sync = excluded.sync
"""
COUNTED_AGAIN = """
INSERT INTO stock (article, pieces, sync) VALUES (:article, :pieces, 0)
ON CONFLICT (article) DO UPDATE SET pieces = excluded.pieces
"""


@prefork.job
def synchronise(sync: int) -> None:
    """Fetch the stock of all articles from the warehouse."""
    known = {row["article"] for row in rows("SELECT article FROM stock WHERE sync = :sync", sync=sync)}
    left = [article for article in range(ARTICLES) if article not in known]
    for start in range(0, len(left), AT_ONCE):
        counted = [{"article": article, "pieces": pieces(article, sync), "sync": sync} for article in left[start : start + AT_ONCE]]
        with transaction() as shop:
            shop.execute(text(COUNTED), counted)
            tell(shop, counted)
        done = len(known) + start + len(counted)
        synchronise.progress(done, ARTICLES - done)


@prefork.cron.every("1 minute")
def restock() -> None:
    """Count one product again, or those that nobody has counted: some were sold over the counter, or a box of them has come."""
    known = {row["article"] for row in rows("SELECT article FROM stock WHERE article < :products", products=len(PRODUCTS))}
    asked = set(range(len(PRODUCTS))) - known or {random.randrange(len(PRODUCTS))}
    counted = [{"article": article, "pieces": random.randint(1, 250)} for article in sorted(asked)]
    with transaction() as shop:
        shop.execute(text(COUNTED_AGAIN), counted)
        tell(shop, counted)


def tell(shop: Connection, counted: list[dict[str, int]]) -> None:
    """Have open pages hear how many there are now of what we sell."""
    for each in counted:
        if each["article"] < len(PRODUCTS):
            live.tell(shop, live.STOCK, {"product": PRODUCTS[each["article"]].slug, "pieces": each["pieces"]})


def pieces(article: int, sync: int) -> int:
    """Ask the warehouse how many pieces of an article there are; here, a long computation."""
    digest = f"{article}.{sync}".encode()
    for _ in range(EFFORT):
        digest = hashlib.sha256(digest).digest()
    return digest[0]


@prefork.cron.every("1 day")
def forget_files() -> None:
    """Remove what was sent for an engraving that no order names."""
    prefork.filestore.collect(row["key"] for row in rows("SELECT key FROM engravings"))
