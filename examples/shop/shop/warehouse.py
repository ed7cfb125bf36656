"""The stock of 10,000 articles, fetched by a job: a visitor asks for it and sees how far it has come. No request waits for it.

The first articles are what we sell; open pages hear of their stock as soon as a job has changed it.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, abort, flash, g, jsonify, redirect, request, url_for
from sqlalchemy import text

from . import jobs
from .catalogue import PRODUCTS
from .database import AWAY, rows, transaction, with_prefork

blueprint = Blueprint("warehouse", __name__, url_prefix="/sync")
LONGEST = 600.0  # seconds after which nobody waits for a synchronisation any more, and another one may begin


@blueprint.get("")
def progress() -> Any:
    return jsonify(latest())


@blueprint.post("")
def begin() -> Any:
    """Have the stock fetched, unless that is being done: the note and the job are there together, or neither is."""
    if not latest()["running"]:
        try:
            with transaction() as shop:
                number = shop.execute(
                    text("INSERT INTO syncs (asked) VALUES (:now) RETURNING id"), {"now": time.time()}
                ).scalar_one()
                jobs.synchronise.defer(number, connection=with_prefork(shop))
        except AWAY:
            abort(503, "Jobs are kept in a database that cannot be used now. Please look at our forks meanwhile.")
    if request.accept_mimetypes.best == "application/json":
        return jsonify(latest()), 202
    flash("The stock is being fetched. You need not wait for it.")
    return redirect(url_for("pages.lab"), 303)


def pieces(slug: str) -> int | None:
    """Return how many there are of a product; None while nobody has counted, or nobody can say."""
    if "stock" not in g:
        try:
            counted = rows("SELECT article, pieces FROM stock WHERE article < :products", products=len(PRODUCTS))
        except AWAY:
            counted = []
        g.stock = {PRODUCTS[row["article"]].slug: row["pieces"] for row in counted}
    found: dict[str, int] = g.stock
    return found.get(slug)


def latest() -> dict[str, Any]:
    """Return how far the last synchronisation has come: its number (0: there was none), what is done of how many."""
    found = rows("""
        SELECT id, asked, (SELECT count(*) FROM stock WHERE sync = syncs.id) AS done FROM syncs ORDER BY id DESC LIMIT 1
    """)
    if not found:
        return nothing()
    last = found[0]
    running = last["done"] < jobs.ARTICLES and time.time() - last["asked"] < LONGEST
    return {"sync": last["id"], "done": last["done"], "of": jobs.ARTICLES, "running": running}


def nothing() -> dict[str, Any]:
    """Return what there is to say before the first synchronisation, or while the database is away."""
    return {"sync": 0, "done": 0, "of": jobs.ARTICLES, "running": False}
