"""The connections of a database server, as the database counts them."""

import psycopg

from prefork.store.census import connections


def test_each_connection_counts_the_one_that_asks_too(dsn: str) -> None:
    with psycopg.connect(dsn) as one, psycopg.connect(dsn):
        found = connections(one)
        (most,) = one.execute("SHOW max_connections").fetchone() or ("",)
    assert found["used"] >= 2
    assert found["most"] == int(most)
    assert found["percent"] == round(100 * found["used"] / found["most"], 1)
