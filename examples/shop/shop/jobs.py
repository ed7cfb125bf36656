"""What no visitor waits for: done by workers of their own, each job once or, where its worker was killed, once more.

The synchronisation with the warehouse is minutes of an ERP's day in miniature. It writes down how far it has come, so that a run
that goes on after a kill does not begin again.
"""

from __future__ import annotations

import hashlib
import random
from contextlib import closing

import prefork

from . import database, live, storage
from .catalogue import PRODUCTS

ARTICLES = 10_000
AT_ONCE = 100  # articles in one transaction: visitors who order wait for none of them
EFFORT = 2_500  # rounds of a hash for each article, about a millisecond: what an ERP computes about it

prefork.cron.every("1 hour")(prefork.sessions.collect)


@prefork.job
def synchronise(sync: int) -> None:
    """Fetch the stock of all articles from the warehouse."""
    with closing(database.opened(storage.place() / storage.DATABASE)) as shop:
        known = {row["article"] for row in shop.execute("SELECT article FROM stock WHERE sync = ?", (sync,))}
        left = [article for article in range(ARTICLES) if article not in known]
        for start in range(0, len(left), AT_ONCE):
            rows = [(article, pieces(article, sync), sync) for article in left[start : start + AT_ONCE]]
            shop.execute("BEGIN IMMEDIATE")
            shop.executemany("INSERT OR REPLACE INTO stock (article, pieces, sync) VALUES (?, ?, ?)", rows)
            shop.execute("COMMIT")
            tell(rows)
            done = len(known) + start + len(rows)
            synchronise.progress(done, ARTICLES - done)


@prefork.cron.every("1 minute")
def restock() -> None:
    """Count one product again, or those that nobody has counted: some were sold over the counter, or a box of them has come."""
    with closing(database.opened(storage.place() / storage.DATABASE)) as shop:
        known = {row["article"] for row in shop.execute("SELECT article FROM stock WHERE article < ?", (len(PRODUCTS),))}
        asked = set(range(len(PRODUCTS))) - known or {random.randrange(len(PRODUCTS))}
        rows = [(article, random.randint(1, 250), 0) for article in sorted(asked)]
        shop.executemany("INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (article) DO UPDATE SET pieces = excluded.pieces", rows)
    tell(rows)


def tell(rows: list[tuple[int, int, int]]) -> None:
    """Have open pages hear how many there are now of what we sell."""
    for article, count, _ in rows:
        if article < len(PRODUCTS):
            live.tell(live.STOCK, {"product": PRODUCTS[article].slug, "pieces": count})


def pieces(article: int, sync: int) -> int:
    """Ask the warehouse how many pieces of an article there are; here, a long computation."""
    digest = f"{article}.{sync}".encode()
    for _ in range(EFFORT):
        digest = hashlib.sha256(digest).digest()
    return digest[0]


@prefork.cron.every("1 day")
def forget_files() -> None:
    """Remove what was sent for an engraving that no order names."""
    with closing(database.opened(storage.place() / storage.DATABASE)) as shop:
        prefork.filestore.collect(row["key"] for row in shop.execute("SELECT key FROM engravings"))
