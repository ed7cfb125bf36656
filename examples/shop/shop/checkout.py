"""From the cart to the order: every change is a form with a token, answered by a redirect.

The checkout form carries a reference, so that sending it twice places one order.
"""

from __future__ import annotations

import secrets
from typing import Union

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug import Response

from . import cart, forms, orders
from .catalogue import BY_SLUG

blueprint = Blueprint("checkout", __name__)
Answer = Union[str, Response, tuple[str, int]]


def customer() -> str:
    """Return the random name under which this browser's orders are kept."""
    if "customer" not in session:
        session["customer"] = secrets.token_hex(16)
    return str(session["customer"])


@blueprint.get("/cart")
def show() -> str:
    return render_template("cart.html", lines=cart.lines(), total=cart.total())


@blueprint.post("/cart/add")
def add() -> Response:
    slug, count = _sent(least=1)
    cart.add(slug, count)
    flash(f"{BY_SLUG[slug].name} is in your cart.")
    return redirect(url_for(".show"), 303)


@blueprint.post("/cart/change")
def change() -> Response:
    cart.change(*_sent(least=0))
    return redirect(url_for(".show"), 303)


def _sent(least: int) -> tuple[str, int]:
    try:
        return forms.product(request.form.get("product")), forms.quantity(request.form.get("quantity", "1"), least)
    except ValueError as error:
        abort(400, str(error))


@blueprint.get("/checkout")
def checkout() -> Answer:
    if not cart.size():
        return redirect(url_for(".show"), 303)
    return _form({}, {}, secrets.token_urlsafe(16))


@blueprint.post("/checkout")
def order() -> Answer:
    try:
        reference = forms.reference(request.form.get("reference"))
    except ValueError as error:
        abort(400, str(error))
    known = orders.find(customer(), reference)
    if known is None:
        if not cart.size():
            return redirect(url_for(".show"), 303)
        person, complaints = forms.customer(request.form.to_dict())
        if complaints:
            return _form(person, complaints, reference or ""), 422
        known, _ = orders.place(customer(), reference, person, cart.contents())
    cart.clear()
    return redirect(url_for(".placed", number=known), 303)


def _form(person: dict[str, str], complaints: dict[str, str], reference: str) -> str:
    return render_template(
        "checkout.html",
        person=person,
        complaints=complaints,
        reference=reference,
        limits=forms.LIMITS,
        lines=cart.lines(),
        total=cart.total(),
    )


@blueprint.get("/orders")
def mine() -> str:
    return render_template("orders.html", orders=orders.of_customer(customer()), products=BY_SLUG)


@blueprint.get("/orders/<int(max=9223372036854775807):number>")
def placed(number: int) -> str:
    found = orders.one(customer(), number)
    if found is None:
        abort(404, "There is no such order among yours.")
    return render_template("order.html", order=found, products=BY_SLUG, engravings=orders.engravings(number))
