"""What is to be done about a database, and that nothing is done outside of its window."""

import pytest
from click.testing import CliRunner

from prefork import cli
from prefork.config.quantities import GIB, MIB
from prefork.doctor import plan
from prefork.doctor.evidence import Database, Table
from prefork.store import upkeep
from prefork.store.address import Address


def database(*tables: Table, **more: object) -> Database:
    return Database({}, used=1, most=100, tables=tables, **more)


def test_the_worst_table_is_vacuumed_first_and_the_tidy_ones_never() -> None:
    tables = (Table("tidy", MIB, 100_000, 900), Table("bad", MIB, 100_000, 6_000), Table("worst", MIB, 100_000, 60_000))
    assert [step.statement for step in plan.vacuum(database(*tables))] == ["VACUUM (ANALYZE) worst", "VACUUM (ANALYZE) bad"]


def test_an_index_is_proposed_once_with_all_that_speaks_for_it() -> None:
    seen = database(unindexed=(("line", "order_id", 9), ("line", "x_ref", 20_000)), custom=(("line", "x_ref", 300),))
    assert plan.fields(seen) == [("line", "order_id"), ("line", "x_ref")]
    first, second = plan.indexes(seen, [plan.Use(0, 0), plan.Use(40, 2.25)])
    assert first == (
        "CREATE INDEX CONCURRENTLY ON line (x_ref)",
        "a foreign key of 20000 rows, 300 scans of the whole table; statements with it: 40 calls, 2.2 s",
    )
    assert second.reason == "a foreign key of 9 rows"


def test_archiving_is_a_question_about_the_largest_tables() -> None:
    (step,) = plan.archive(database(Table("mail", 9 * GIB, 10**7, 0), Table("sale", GIB // 2, 10**6, 0)))
    assert step.statement == "SELECT date_trunc('year', create_date) AS year, count(*) FROM mail GROUP BY 1"
    assert step.reason == "9 GiB of 9.5 GiB in 10000000 rows"


def test_a_plan_for_programs_is_not_carried_out() -> None:
    said = CliRunner().invoke(cli.main, ["db", "vacuum", "--dsn", "host=127.0.0.1 port=1", "--run", "--json"])
    assert (said.exit_code, "give one of the two" in said.output) == (2, True)


def test_nothing_begins_after_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def close(self) -> None: ...

    monkeypatch.setattr(upkeep, "connect", lambda *_: Closed())
    assert list(upkeep.run(Address("dbname=x"), ["VACUUM a"], 0.5)) == [("VACUUM a", "the window has ended")]
