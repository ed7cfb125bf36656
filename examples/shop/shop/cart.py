"""The cart, kept in the visitor's session as {slug: quantity}, so that any worker can serve the next click."""

from __future__ import annotations

from dataclasses import dataclass

from flask import session

from .catalogue import BY_SLUG, Product
from .forms import MOST


@dataclass(frozen=True)
class Line:
    product: Product
    quantity: int

    @property
    def total(self) -> int:
        """Cents."""
        return self.product.price * self.quantity


def contents() -> dict[str, int]:
    """Return what is in the cart, without products that we no longer sell."""
    return {slug: count for slug, count in session.get("cart", {}).items() if slug in BY_SLUG}


def lines() -> list[Line]:
    return [Line(BY_SLUG[slug], count) for slug, count in contents().items()]


def size() -> int:
    return sum(contents().values())


def total() -> int:
    """Return the price of everything in the cart, in cents."""
    return sum(line.total for line in lines())


def add(slug: str, count: int) -> None:
    held = contents()
    session["cart"] = {**held, slug: min(MOST, held.get(slug, 0) + count)}


def change(slug: str, count: int) -> None:
    """Set the quantity of a product; 0 takes it out."""
    session["cart"] = {name: n for name, n in {**contents(), slug: count}.items() if n}


def clear() -> None:
    session.pop("cart", None)
