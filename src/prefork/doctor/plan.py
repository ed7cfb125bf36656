"""What to do about a database, pure: from what was seen of it to statements with their reasons. Nothing is done here.

Indexes are built without a lock, so each is a statement of its own. Archiving is only ever a plan: nobody but the owner knows
what is old enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config.quantities import GIB, about

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prefork.doctor.evidence import Database

DEAD = 1000  # rows: below it a table is not worth a visit
SHARE = 0.05  # of its rows: what is left to autovacuum is 20 %
LARGE = GIB


class Step(NamedTuple):
    """A statement and why."""

    statement: str
    reason: str

    def told(self) -> dict[str, str]:
        """For programs."""
        return self._asdict()


class Use(NamedTuple):
    """The statements that name a table and a field: how often they were called, and the seconds of all calls."""

    calls: int
    seconds: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Use:
        """From what the database counts."""
        return cls(int(row.get("calls") or 0), float(row.get("seconds") or 0))


def vacuum(database: Database) -> Iterator[Step]:
    """The tables with dead rows, those with the most first."""
    for table in sorted(database.tables, key=lambda table: -table.dead):
        if table.dead > max(DEAD, SHARE * table.rows):
            yield Step(f"VACUUM (ANALYZE) {table.name}", f"{table.dead} dead rows beside {table.rows}, {about(table.size)}")


def fields(database: Database) -> list[tuple[str, str]]:
    """The tables and fields that lack an index: foreign keys, and custom fields of tables that are scanned all the time."""
    return list(dict.fromkeys((table, field) for table, field, _ in (*database.unindexed, *database.custom)))


def indexes(database: Database, uses: Sequence[Use]) -> Iterator[Step]:
    """An index for each of `fields`, with what tells that it is needed; those that cost the most first."""
    found = {(table, field): f"a foreign key of {rows} rows" for table, field, rows in database.unindexed}
    for table, field, scans in database.custom:
        earlier = found.get((table, field))
        found[table, field] = f"{earlier}, {scans} scans of the whole table" if earlier else f"{scans} scans of the whole table"
    for (table, field), use in sorted(zip(fields(database), uses, strict=True), key=lambda each: -each[1].seconds):
        counted = f"; statements with it: {use.calls} calls, {use.seconds:.1f} s" if use.calls else ""
        yield Step(f"CREATE INDEX CONCURRENTLY ON {table} ({field})", found[table, field] + counted)


def archive(database: Database) -> Iterator[Step]:
    """The tables that have most of the data, and a look at how old it is."""
    total = sum(table.size for table in database.tables)
    for table in sorted(database.tables, key=lambda table: -table.size):
        if table.size > max(LARGE, 0.1 * total):
            share = f"{about(table.size)} of {about(total)} in {table.rows} rows"
            yield Step(f"SELECT date_trunc('year', create_date) AS year, count(*) FROM {table.name} GROUP BY 1", share)  # noqa: S608
