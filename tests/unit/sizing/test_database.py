"""All pools × db_maxconn on all nodes against what PostgreSQL and PgBouncer let in."""

from prefork.sizing.database import Database, budget, complaints
from prefork.sizing.machine import GIB, Machine
from prefork.sizing.size import Demand, size

MACHINE = Machine(4, 8 * GIB)


def test_each_process_has_64_where_the_database_has_room() -> None:
    assert budget(Database(1000), 11, 1)[:3] == (64, 704, 997)


def test_the_default_of_postgresql_leaves_eight_for_each_of_eleven() -> None:
    found = size(Demand(MACHINE), "formula")
    assert found.options["db_maxconn"] == 8
    assert found.budget.words() == "11 processes × 8 = 88 of 97 connections"


def test_nodes_share_them() -> None:
    found = size(Demand(MACHINE, nodes=3, database=Database(300)), "formula")
    assert found.budget.words() == "3 nodes × 11 processes × 9 = 297 of 297 connections"


def test_too_few_connections_bind_the_workers() -> None:
    found = size(Demand(MACHINE, nodes=5), "formula")
    assert (found.binding, found.workers, found.options["db_maxconn"]) == ("database", 7, 2)


def test_pgbouncer_takes_ten_thousand_and_opens_two_hundred() -> None:
    found = size(Demand(MACHINE, nodes=10, database=Database(250, pool=200, clients=10_000)), "formula")
    assert (found.workers, found.options["db_maxconn"], found.warnings) == (9, 64, ())
    assert found.budget.needed == 10 * 11 * 64 <= 10_000


def test_a_session_takes_one_of_its_connections_so_they_bound_the_processes() -> None:
    found = size(Demand(MACHINE, nodes=20, database=Database(250, pool=100, clients=10_000)), "formula")
    assert (found.binding, found.workers) == ("database", 3)


def test_its_pools_must_fit_the_database() -> None:
    database = Database(100, pool=200, clients=10_000)
    assert complaints(database, budget(database, 11, 1)) == [
        "PgBouncer's pools open 200 connections, PostgreSQL has room for 97; raise max_connections"
    ]


def test_where_not_even_one_each_is_left_it_is_said() -> None:
    assert complaints(Database(10), budget(Database(10), 11, 1)) == [
        "11 processes × 1 = 11 of 7 connections do not fit; raise PostgreSQL's max_connections"
    ]
