"""Connections to the database: how many there may be, how many there are, and who lends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.doctor.checks.nodes import hosted
from prefork.doctor.verdict import Finding, check, failed, passed, warned
from prefork.sizing.database import LEAST, USUAL, budget
from prefork.sizing.database import Database as Room

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Database, Log

HIGH, FULL = 0.8, 0.95


@check(
    "connection-budget",
    why="Under load some worker is refused a connection, and its users see an error",
    source="Performance, tune db_maxconn; Multi-processing, db_maxconn: connections per worker; "
    "Enterprise, layer 5: connection pooling",
)
def within(conf: Conf, database: Database) -> Finding:
    """What all processes may open against what the database lets in."""
    if not conf.odoo or database.pooled:
        return passed("a pooler stands between" if database.pooled else "no db_maxconn here")
    text = conf.settings.host_options.get("db_maxconn", "").strip()
    each = int(text) if text.isdecimal() else USUAL
    processes = max(1, conf.processes)
    room = Room(database.most, database.reserved)
    seen = f"{processes} processes × {each} = {processes * each} connections, {room.open} are let in"
    fix = f"db_maxconn = {budget(room, processes, 1).each}"
    if LEAST * processes > room.open:
        return failed(
            seen, f"ALTER SYSTEM SET max_connections = {processes * 8 + database.reserved};    -- then restart PostgreSQL"
        )
    return warned(seen, fix) if processes * each > room.open else passed(seen)


@check(
    "connections-free",
    why="The next worker that wants one is refused: too many clients already",
    source="Enterprise, PgBouncer: lifesaver of the database; Performance, tune db_maxconn",
)
def free(database: Database) -> Finding:
    """How many are in use now."""
    share = database.used / database.most if database.most else 0
    seen = f"{database.used} of {database.most} connections are in use"
    fix = "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;"
    if share > FULL:
        return failed(seen, fix)
    return warned(seen, fix) if share > HIGH else passed(seen)


@check(
    "pool-not-exhausted",
    why="A worker found its pool of connections empty, or was refused one: its request failed",
    source="Performance, tune db_maxconn",
)
def pool(log: Log) -> Finding:
    """What the log says of it."""
    if log.pool_full:
        return warned(
            f"{log.pool_full} times in {log.path}: no connection was left", f"grep -i 'pool is full\\|too many clients' {log.path}"
        )
    return passed("no request lacked a connection")


@check(
    "pooling-by-session",
    why="Between two transactions the session is somebody else's: notices of the bus do not arrive, and settings leak",
    source="Enterprise, layer 5: session pooling represents the safest default",
)
def pooling(database: Database, conf: Conf | None = None) -> Finding:
    """PgBouncer's mode, as it behaves: a session that was lent another process of the server. With a way around it it will do."""
    if database.pooled == "transaction" and conf is not None and not hosted(conf) and conf.settings.store_listen_dsn:
        return passed("a pooler lends connections for a transaction only, and notices have a way around it")
    if database.pooled == "transaction":
        return failed("a pooler lends connections for a transaction only", "pool_mode = session")
    return passed("a pooler lends connections for a session" if database.pooled else "no pooler stands between")
