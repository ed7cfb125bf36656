"""How many connections a database server has, of how many. It needs no schema of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.store.statements import statements

if TYPE_CHECKING:
    import psycopg

SQL = statements("census.sql")


def connections(connection: psycopg.Connection[Any]) -> dict[str, float]:
    """`used` of `most`, and `percent`; the one that asks is among them."""
    row = connection.execute(SQL["connections"]).fetchone()
    assert row
    return {"used": row[0], "most": row[1], "percent": round(100 * row[0] / row[1], 1)}
