"""The upkeep of the database: vacuum, indexes, what has grown, what holds everything up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.quantities import GIB, MIB, about
from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from prefork.doctor.evidence import Database

DEAD, SHARE = 10_000, 0.4  # rows that vacuum should have taken, twice its usual share of a table
BLOATED, HALF = 32 * MIB, 0.5
GROWN, MOST = 10 * GIB, 0.5
LONG = 300.0  # seconds
IDLE = 60.0
OLD = 1_000_000_000  # transactions, half way to the end


@check(
    "autovacuum-on",
    why="Dead rows are never taken away: tables grow, statistics age, and one day the database refuses to write",
    source="Enterprise, principle 5: autovacuum is NEVER optional; Performance, vacuum regularly",
)
def autovacuum(database: Database) -> Finding:
    """For the server and for each table."""
    if not database.on("autovacuum"):
        return failed("autovacuum = off", "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();")
    if not database.on("track_counts"):
        return failed(
            "track_counts = off, so autovacuum sees nothing", "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();"
        )
    without = [table.name for table in database.tables if not table.vacuum]
    if without:
        return warned(
            f"{', '.join(without[:5])}: autovacuum_enabled = false", f"ALTER TABLE {without[0]} RESET (autovacuum_enabled);"
        )
    return passed("autovacuum is on for every table")


@check(
    "autovacuum-keeps-up",
    why="Every query reads the dead rows, too, and the table grows for as long as they stay",
    source="Performance, large databases benefit from manual vacuum; Enterprise, principle 5",
)
def keeps_up(database: Database) -> Finding:
    """Tables with many dead rows."""
    late = [table for table in database.tables if table.dead > max(DEAD, SHARE * table.rows)]
    if late:
        seen = ", ".join(f"{table.name}: {table.dead} dead rows beside {table.rows}" for table in late[:3])
        return warned(
            seen, f"VACUUM (ANALYZE) {late[0].name};\nALTER TABLE {late[0].name} SET (autovacuum_vacuum_scale_factor = 0.02);"
        )
    return passed("no table has many dead rows")


@check(
    "no-wraparound",
    why="At two thousand million transactions the database stops taking any",
    source="Enterprise, principle 5: transaction collapse",
)
def wraparound(database: Database) -> Finding:
    """The age of the oldest row."""
    seen = f"the oldest row is {database.age / 1e6:.0f} million transactions old"
    return failed(seen, "vacuumdb --all --freeze --jobs 2") if database.age > OLD else passed(seen)


@check(
    "no-bloat",
    why="The same rows take more pages, so that every scan and the cache pay for empty space",
    source="Enterprise, principle 5: table bloat; Performance, manual vacuum during maintenance windows",
)
def bloat(database: Database) -> Finding:
    """An estimate: the size of a table against what its rows need."""
    bloated = [table for table in database.tables if table.wasted > max(BLOATED, HALF * table.size)]
    if bloated:
        seen = ", ".join(f"{table.name}: about {about(table.wasted)} of {about(table.size)} are empty" for table in bloated[:3])
        return warned(seen, f"VACUUM (FULL, ANALYZE) {bloated[0].name};    -- locks the table: in a maintenance window")
    return passed("no table is half empty")


@check(
    "foreign-keys-indexed",
    why="Each delete on the other side, and each list of what belongs to something, reads the whole table",
    source="Performance, index custom fields",
)
def foreign_keys(database: Database) -> Finding:
    """Foreign keys of large tables."""
    return indexes(database.unindexed, "rows")


@check(
    "custom-fields-indexed",
    why="A table that is searched by a field without an index is read from end to end each time",
    source="Performance, if you query custom fields frequently, add database indexes",
)
def custom_fields(database: Database) -> Finding:
    """Fields named x_… of large tables that are scanned all the time."""
    return indexes(database.custom, "scans of the whole table")


def indexes(missing: tuple[tuple[str, str, int], ...], what: str) -> Finding:
    """Which indexes to create."""
    if missing:
        seen = ", ".join(f"{table}.{field} has no index, {count} {what}" for table, field, count in missing[:3])
        return warned(seen, "\n".join(f"CREATE INDEX CONCURRENTLY ON {table} ({field});" for table, field, _ in missing[:3]))
    return passed("none is missing")


@check(
    "old-records-archived",
    why="Backups, vacuum and every scan take longer with each year that is kept in the same table",
    source="Performance, move old sales orders, leads, and logs to archive",
)
def archive(database: Database) -> Finding:
    """One table that is most of a large database."""
    total = sum(table.size for table in database.tables)
    grown = [table for table in database.tables if table.size > max(GROWN, MOST * total)]
    if grown:
        seen = f"{grown[0].name} has {about(grown[0].size)} of {about(total)}, {grown[0].rows} rows"
        return warned(seen, f"ANALYZE VERBOSE {grown[0].name};    -- then archive what is older than you look at")
    return passed("no table is most of a large database")


@check(
    "transactions-short",
    why="Nothing that is deleted meanwhile can be taken away, and whoever needs its rows waits",
    source="Enterprise, principle 5; Performance, vacuum regularly",
)
def short(database: Database) -> Finding:
    """Transactions that are open for long."""
    for each in database.sessions:
        idle = each.state.startswith("idle in transaction")
        if each.age > (IDLE if idle else LONG):
            what = "idle in its transaction" if idle else "in its transaction"
            seen = f"{each.name or 'somebody'} (pid {each.pid}) has been {what} for {each.age:.0f} s"
            return warned(seen, f"SELECT pg_terminate_backend({each.pid});")
    return passed("no transaction is open for long")


@check(
    "statements-counted",
    why="Nobody can say which query costs the most",
    source="Enterprise, principle 4: relying on pg_stat_statements is mandatory",
)
def statements(database: Database) -> Finding:
    """pg_stat_statements."""
    if not database.statements:
        preload = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';    -- needs a restart"
        return warned("pg_stat_statements is not there", f"{preload}\nCREATE EXTENSION pg_stat_statements;")
    return passed("pg_stat_statements is there")


@check(
    "log-for-programs",
    why="Programs that collect logs cannot tell where a statement of several lines ends",
    source="Enterprise, principle 4: activating csvlog or jsonlog",
)
def logs(database: Database) -> Finding:
    """csvlog or jsonlog."""
    given = database.settings.get("log_destination", "")
    if not {"csvlog", "jsonlog"} & {each.strip() for each in given.split(",")}:
        fix = "ALTER SYSTEM SET log_destination = 'stderr,jsonlog'; SELECT pg_reload_conf();"
        return warned(f"log_destination = {given}", fix)
    return passed(f"log_destination = {given}")
