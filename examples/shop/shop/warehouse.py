"""The stock of 10,000 articles, fetched by a job: a visitor asks for it and sees how far it has come. No request waits for it.

The first articles are what we sell; open pages hear of their stock as soon as a job has changed it.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, abort, flash, jsonify, redirect, request, url_for

from prefork.store.connection import Unavailable

from . import jobs
from .catalogue import PRODUCTS
from .database import connection, transaction

blueprint = Blueprint("warehouse", __name__, url_prefix="/sync")
LONGEST = 600.0  # seconds after which nobody waits for a synchronisation any more, and another one may begin


@blueprint.get("")
def progress() -> Any:
    return jsonify(latest())


@blueprint.post("")
def begin() -> Any:
    """Have the stock fetched, unless that is being done."""
    if not latest()["running"]:
        with transaction() as shop:
            number = shop.execute("INSERT INTO syncs (asked) VALUES (?)", (time.time(),)).lastrowid
        try:
            jobs.synchronise.defer(number)
        except Unavailable:
            connection().execute("DELETE FROM syncs WHERE id = ?", (number,))
            abort(503, "Jobs are kept in a database that cannot be used now. The shop itself needs none: go on shopping.")
    if request.accept_mimetypes.best == "application/json":
        return jsonify(latest()), 202
    flash("The stock is being fetched. You need not wait for it.")
    return redirect(url_for("pages.lab"), 303)


def pieces(slug: str) -> int | None:
    """Return how many there are of a product; None while nobody has counted."""
    article = next(number for number, product in enumerate(PRODUCTS) if product.slug == slug)
    row = connection().execute("SELECT pieces FROM stock WHERE article = ?", (article,)).fetchone()
    return row["pieces"] if row else None


def latest() -> dict[str, Any]:
    """Return how far the last synchronisation has come: its number (0: there was none), what is done of how many."""
    row = connection().execute("SELECT id, asked FROM syncs ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return {"sync": 0, "done": 0, "of": jobs.ARTICLES, "running": False}
    done = connection().execute("SELECT count(*) FROM stock WHERE sync = ?", (row["id"],)).fetchone()[0]
    running = done < jobs.ARTICLES and time.time() - row["asked"] < LONGEST
    return {"sync": row["id"], "done": done, "of": jobs.ARTICLES, "running": running}
