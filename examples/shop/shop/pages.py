"""The pages to look at: all products, one product, and the laboratory where the server can be seen at work.

They are shown whether the database can be used or not.
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from . import warehouse
from .catalogue import BY_SLUG, PRODUCTS, money
from .database import AWAY

blueprint = Blueprint("pages", __name__)
blueprint.add_app_template_filter(money, "money")


@blueprint.get("/")
def products() -> str:
    return render_template("products.html", products=PRODUCTS)


@blueprint.get("/products/<slug>")
def product(slug: str) -> str:
    if slug not in BY_SLUG:
        abort(404, "We do not sell this fork, or not any more.")
    others = [other for other in PRODUCTS if other.slug != slug]
    start = PRODUCTS.index(BY_SLUG[slug])
    return render_template("product.html", product=BY_SLUG[slug], others=[others[(start + n) % len(others)] for n in range(4)])


@blueprint.get("/lab")
def lab() -> str:
    try:
        sync = warehouse.latest()
    except AWAY:
        sync = warehouse.nothing()
    return render_template("lab.html", sync=sync)
