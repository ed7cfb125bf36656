"""Orders: placed in one transaction, and only once per customer and reference.

A client that got no answer (its worker was killed after the commit) sends the same reference again and gets the order
it already has.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, text

from .catalogue import BY_SLUG
from .database import rows, transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

ORDER = """
INSERT INTO orders (customer, reference, name, email, address, total, placed)
VALUES (:customer, :reference, :name, :email, :address, :total, :placed)
ON CONFLICT (customer, reference) DO NOTHING
RETURNING id
"""
LINE = "INSERT INTO order_lines (order_id, product, quantity, price) VALUES (:order, :product, :quantity, :price)"
KNOWN = "SELECT id FROM orders WHERE customer = :customer AND reference = :reference"
LINES = text("SELECT order_id, product, quantity FROM order_lines WHERE order_id IN :orders").bindparams(
    bindparam("orders", expanding=True)
)


def place(customer: str, reference: str | None, person: dict[str, str], items: dict[str, int]) -> tuple[int, bool]:
    """Store an order of {slug: quantity} at today's prices; return its number and whether it is new."""
    placed = {"customer": customer, "reference": reference, "placed": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"}
    total = sum(BY_SLUG[slug].price * count for slug, count in items.items())
    with transaction() as shop:
        # Asked first, because an insertion that meets a conflict uses up a number.
        known = shop.execute(text(KNOWN), placed).scalar()
        if known is not None:
            return known, False
        number = shop.execute(text(ORDER), {**person, **placed, "total": total}).scalar()
        if number is None:  # the same order came in between
            return shop.execute(text(KNOWN), placed).scalar_one(), False
        _add_lines(shop, number, items)
    return number, True


def _add_lines(shop: Connection, number: int, items: dict[str, int]) -> None:
    lines = [{"product": slug, "quantity": count, "price": BY_SLUG[slug].price} for slug, count in items.items()]
    shop.execute(text(LINE), [{"order": number, **line} for line in lines])


def find(customer: str, reference: str | None) -> int | None:
    """Return the number of the order this customer placed under this reference, if there is one."""
    return next((row["id"] for row in rows(KNOWN, customer=customer, reference=reference)), None)


def of_customer(customer: str, most: int = 100) -> list[dict[str, Any]]:
    """Return a customer's latest orders, newest first, each with its lines."""
    return _with_items(
        rows(
            "SELECT id, name, email, address, total, placed FROM orders WHERE customer = :customer ORDER BY id DESC LIMIT :most",
            customer=customer,
            most=most,
        )
    )


def one(customer: str, number: int) -> dict[str, Any] | None:
    """Return one order of this customer with its lines, or None: nobody sees the orders of others."""
    found = rows(
        "SELECT id, name, email, address, total, placed FROM orders WHERE customer = :customer AND id = :number",
        customer=customer,
        number=number,
    )
    return next(iter(_with_items(found)), None)


def engravings(number: int) -> list[dict[str, Any]]:
    """Return what is to be engraved on an order, in the order it came; whose order it is has been seen to."""
    return rows("SELECT key, name, type FROM engravings WHERE order_id = :number ORDER BY id", number=number)


def after(number: int, most: int) -> list[dict[str, Any]]:
    """Return up to `most` orders of everybody, oldest first, without anything that names a person."""
    return _with_items(
        rows("SELECT id, reference, total, placed FROM orders WHERE id > :number ORDER BY id LIMIT :most", number=number, most=most)
    )


def count() -> int:
    return int(rows("SELECT count(*) AS orders FROM orders")[0]["orders"])


def _with_items(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    items: dict[int, dict[str, int]] = {order["id"]: {} for order in found}
    for line in rows(LINES, orders=list(items)):
        items[line["order_id"]][line["product"]] = line["quantity"]
    return [{**order, "items": items[order["id"]]} for order in found]
