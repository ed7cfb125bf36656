"""The shop's tables, in steps that are numbered from 1: each is done once in a database, which remembers the last one.

A step that was released never changes; what comes later is another one. Who brings a database up to date does it in one
transaction, and others who want the same wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK = 0x74696E65  # "tine"
NUMBER = {"postgresql": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT"}

STEPS = (
    """
CREATE TABLE orders (
    id        {number},
    customer  text NOT NULL,
    reference text,
    name      text NOT NULL,
    email     text NOT NULL,
    address   text NOT NULL,
    total     integer NOT NULL CHECK (total > 0),
    placed    text NOT NULL,
    UNIQUE (customer, reference)
);
CREATE TABLE order_lines (
    order_id bigint NOT NULL REFERENCES orders (id),
    product  text NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    price    integer NOT NULL,
    PRIMARY KEY (order_id, product)
);
CREATE TABLE engravings (
    id       {number},
    order_id bigint NOT NULL REFERENCES orders (id),
    key      text NOT NULL,
    name     text NOT NULL,
    type     text NOT NULL,
    UNIQUE (order_id, key)
);
CREATE TABLE syncs (
    id    {number},
    asked double precision NOT NULL
);
CREATE TABLE stock (
    article integer PRIMARY KEY,
    pieces  integer NOT NULL,
    sync    bigint NOT NULL
);
CREATE INDEX stock_by_sync ON stock (sync);
CREATE TABLE chat (
    id   {number},
    who  text NOT NULL,
    text text NOT NULL
)
""",
)


def migrate(shop: Connection) -> None:
    """Bring the tables up to date, within the caller's transaction."""
    dialect = shop.dialect.name
    if dialect == "postgresql":  # who begins a transaction in SQLite has the file for itself
        shop.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    shop.execute(text("CREATE TABLE IF NOT EXISTS shop_steps (step integer PRIMARY KEY)"))
    done = shop.execute(text("SELECT coalesce(max(step), 0) FROM shop_steps")).scalar_one()
    for step, statements in enumerate(STEPS[done:], done + 1):
        for statement in statements.format(number=NUMBER[dialect]).split(";\n"):
            shop.execute(text(statement))
        shop.execute(text("INSERT INTO shop_steps VALUES (:step)"), {"step": step})
