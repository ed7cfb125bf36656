"""Tine, a small Flask shop with the workload of a busy ERP: fast pages, a long report, a slow partner, orders.

Owns the application factory. Safe to load before a fork: creating the application starts no thread and keeps no
connection or file open; what needs one opens it per request.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response

from . import api, cart, chat, checkout, database, engraving, errors, forms, keeping, pages, pictures, storage, warehouse, workload
from .served import Worker

MAX_BODY = 64 * 1024  # bytes
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


def create_app(data: str | None = None) -> Flask:
    """Return the shop, its orders kept in `data`, else in $SHOP_DATA, else beside the package."""
    directory = storage.prepare(Path(data) if data else storage.place())
    app = Flask(__name__)
    app.config.update(
        DATABASE=directory / storage.DATABASE,
        MAX_CONTENT_LENGTH=MAX_BODY,
    )
    keeping.install(app, directory)
    for room in (pages, checkout, engraving, api, workload, warehouse, chat):
        app.register_blueprint(room.blueprint)
    Worker().install(app)  # first, so that every answer knows when its request began
    for room in (database, engraving, forms, errors):
        room.install(app)
    app.jinja_env.globals.update(picture=pictures.svg, cart_size=cart.size, in_stock=warehouse.pieces)
    app.after_request(guard)
    return app


def guard(response: Response) -> Response:
    """Add the headers that keep a page out of frames, caches and other sites' scripts."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not response.headers.get("Cache-Control"):
        response.headers["Cache-Control"] = "no-store"
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
