"""The JSON API: products, and orders of programs. It knows no session and answers every refusal with one sentence."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, jsonify, request, url_for

from . import forms, orders
from .catalogue import PRODUCTS

blueprint = Blueprint("api", __name__, url_prefix="/api")
CUSTOMER = "api"
NOBODY = {"name": "", "email": "", "address": ""}
PAGE, LARGEST = 100, 1000
LAST = 2**63 - 1  # the largest number that a database keeps


@blueprint.get("/products")
def products() -> Any:
    return jsonify(
        products=[
            {
                "slug": product.slug,
                "name": product.name,
                "price_cents": product.price,
                "material": product.material,
                "length_mm": product.length,
                "url": url_for("pages.product", slug=product.slug),
            }
            for product in PRODUCTS
        ]
    )


@blueprint.get("/orders")
def listing() -> Any:
    """Return orders oldest first, page by page: ?after=NUMBER&limit=100 (at most 1000)."""
    last, most = _whole("after", 0, 0, LAST), _whole("limit", PAGE, 1, LARGEST)
    return jsonify(count=orders.count(), orders=orders.after(last, most))


@blueprint.post("/orders")
def place() -> Any:
    """Place {"items": {slug: quantity}, "reference": text?}; 201, or 200 when the reference was used before."""
    if not request.is_json:
        abort(415, "Send an order as JSON, with Content-Type: application/json.")
    sent = request.get_json(silent=True)
    try:
        items, reference = _order(sent)
    except ValueError as error:
        abort(422, str(error))
    number, new = orders.place(CUSTOMER, reference, NOBODY, items)
    return jsonify(order=number), 201 if new else 200


def _order(sent: Any) -> tuple[dict[str, int], str | None]:
    items = sent.get("items") if isinstance(sent, dict) else None
    if not isinstance(items, dict) or not items:
        raise ValueError('An order looks like {"items": {"dinner-fork": 2}}.')
    wanted = {forms.product(slug): forms.quantity(count) for slug, count in items.items()}
    return wanted, forms.reference(sent.get("reference"))


def _whole(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        abort(400, f"{name} is a whole number from {least} to {most}.")
    return int(text)
