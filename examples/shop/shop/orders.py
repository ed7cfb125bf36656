"""Orders: placed in one transaction, and only once per customer and reference.

A client that got no answer (its worker was killed after the commit) sends the same reference again and gets the order
it already has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .catalogue import BY_SLUG
from .database import connection, transaction

if TYPE_CHECKING:
    import sqlite3


def place(customer: str, reference: str | None, person: dict[str, str], items: dict[str, int]) -> tuple[int, bool]:
    """Store an order of {slug: quantity} at today's prices; return its number and whether it is new."""
    with transaction() as database:
        known = find(customer, reference)
        if known is not None:
            return known, False
        number = _insert(database, customer, reference, person, items)
    return number, True


def _insert(
    database: sqlite3.Connection, customer: str, reference: str | None, person: dict[str, str], items: dict[str, int]
) -> int:
    total = sum(BY_SLUG[slug].price * count for slug, count in items.items())
    cursor = database.execute(
        "INSERT INTO orders (customer, reference, name, email, address, total) VALUES (?, ?, ?, ?, ?, ?)",
        (customer, reference, person["name"], person["email"], person["address"], total),
    )
    number = int(cursor.lastrowid or 0)
    database.executemany(
        "INSERT INTO order_lines (order_id, product, quantity, price) VALUES (?, ?, ?, ?)",
        [(number, slug, count, BY_SLUG[slug].price) for slug, count in items.items()],
    )
    return number


def find(customer: str, reference: str | None) -> int | None:
    """Return the number of the order this customer placed under this reference, if there is one."""
    row = connection().execute("SELECT id FROM orders WHERE customer = ? AND reference = ?", (customer, reference)).fetchone()
    return row["id"] if row else None


def of_customer(customer: str, most: int = 100) -> list[dict[str, Any]]:
    """Return a customer's latest orders, newest first, each with its lines."""
    rows = connection().execute(
        "SELECT id, name, email, address, total, placed FROM orders WHERE customer = ? ORDER BY id DESC LIMIT ?",
        (customer, most),
    )
    return _with_items(rows.fetchall())


def one(customer: str, number: int) -> dict[str, Any] | None:
    """Return one order of this customer with its lines, or None: nobody sees the orders of others."""
    rows = connection().execute(
        "SELECT id, name, email, address, total, placed FROM orders WHERE customer = ? AND id = ?", (customer, number)
    )
    return next(iter(_with_items(rows.fetchall())), None)


def engravings(number: int) -> list[dict[str, Any]]:
    """Return what is to be engraved on an order, in the order it came; whose order it is has been seen to."""
    rows = connection().execute("SELECT key, name, type FROM engravings WHERE order_id = ? ORDER BY rowid", (number,))
    return [dict(row) for row in rows]


def after(number: int, most: int) -> list[dict[str, Any]]:
    """Return up to `most` orders of everybody, oldest first, without anything that names a person."""
    rows = connection().execute("SELECT id, reference, total, placed FROM orders WHERE id > ? ORDER BY id LIMIT ?", (number, most))
    return _with_items(rows.fetchall())


def count() -> int:
    return int(connection().execute("SELECT count(*) FROM orders").fetchone()[0])


def _with_items(rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    if not rows:
        return []
    found: dict[int, dict[str, int]] = {row["id"]: {} for row in rows}
    lines = connection().execute(
        f"SELECT order_id, product, quantity FROM order_lines WHERE order_id IN ({', '.join('?' * len(found))})",
        list(found),
    )
    for line in lines:
        found[line["order_id"]][line["product"]] = line["quantity"]
    return [{**row, "items": found[row["id"]]} for row in map(dict, rows)]
