"""Tine, a small Flask shop with the workload of a busy ERP: fast pages, a long report, a slow partner, orders.

Owns the application factory. Safe to load before a fork: creating the application starts no thread and opens
no connection or file; each process opens its own, when it first needs one.
"""

from __future__ import annotations

from flask import Flask, Response

from . import api, cart, chat, checkout, engraving, errors, forms, keeping, live, pages, pictures, warehouse, workload
from .served import Worker

MAX_BODY = 64 * 1024  # bytes
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


def create_app() -> Flask:
    """Return the shop."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY)
    keeping.install(app)
    for room in (pages, checkout, engraving, api, workload, warehouse, chat):
        app.register_blueprint(room.blueprint)
    Worker().install(app)  # first, so that every answer knows when its request began
    for room in (engraving, forms, errors):
        room.install(app)
    app.jinja_env.globals.update(picture=pictures.svg, cart_size=cart.size, in_stock=warehouse.pieces, bus_position=live.position)
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
