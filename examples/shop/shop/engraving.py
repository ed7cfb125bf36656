"""What is to be engraved: files that a customer adds to an order, and gets back. The order names them, the filestore has them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, abort, flash, redirect, request, url_for
from sqlalchemy import text

from prefork.filestore import TooLarge

from . import orders
from .checkout import customer
from .database import transaction
from .forms import CONTROL
from .keeping import files

blueprint = Blueprint("engraving", __name__, url_prefix="/orders/<int(max=9223372036854775807):number>/engraving")
LARGEST = 8 * 1024 * 1024  # bytes of one file
AROUND = 64 * 1024  # bytes of the form around it
MOST = 5  # files of an order
LONGEST = 120  # characters of a name
NOTE = """
INSERT INTO engravings (order_id, key, name, type)
SELECT :number, :key, :name, :kind WHERE (SELECT count(*) FROM engravings WHERE order_id = :number) < :most
ON CONFLICT (order_id, key) DO NOTHING
"""
KINDS = {"image/png", "image/jpeg", "image/svg+xml", "application/pdf"}


def install(app: Flask) -> None:
    """To be installed before whatever reads forms: what may be sent is decided before it is read."""
    app.before_request(allow)


def allow() -> None:
    if request.endpoint == "engraving.add":
        request.max_content_length = LARGEST + AROUND


@blueprint.post("")
def add(number: int) -> Any:
    """Keep a file and note it with the order."""
    if orders.one(customer(), number) is None:
        abort(404, "There is no such order among yours.")
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        abort(400, "Choose a file first.")
    if sent.mimetype not in KINDS:
        abort(415, "We engrave from PNG, JPEG, SVG and PDF files.")
    with sent.stream:
        try:
            key = files().put(sent.stream, limit=LARGEST)
        except TooLarge:
            abort(413, "A file for engraving may have up to 8 MiB.")
    if not note(number, key, CONTROL.sub("", sent.filename)[-LONGEST:], sent.mimetype):
        abort(409, f"An order takes up to {MOST} files.")
    flash("We have your file.")
    return redirect(url_for("checkout.placed", number=number), 303)


@blueprint.get("/<key>")
def show(number: int, key: str) -> Response:
    """Send a file back to its customer; the server's dispatcher does the sending."""
    found = next((each for each in orders.engravings(number) if each["key"] == key), None)
    if found is None or orders.one(customer(), number) is None:
        abort(404, "There is no such file among yours.")
    answer = files().answer(request.environ, key, found["name"], found["type"], inline=True, max_age=3600)
    return Response(answer.body, answer.status, answer.headers, direct_passthrough=True)


def note(number: int, key: str, name: str, kind: str) -> bool:
    """Note a file with an order, once; False when the order has enough."""
    file = {"number": number, "key": key, "name": name, "kind": kind, "most": MOST}
    with transaction() as shop:
        shop.execute(text(NOTE), file)
    return any(each["key"] == key for each in orders.engravings(number))
