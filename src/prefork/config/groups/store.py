"""The options of scheduled jobs, of the bus, and of the database that Prefork keeps its own things in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.dsn import SQLITE, conninfo
from prefork.config.option import Derived, Surroundings, grouped, option
from prefork.config.quantities import HIGHEST, LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBPQ = {"db_host": "host", "db_port": "port", "db_user": "user", "db_password": "password", "db_name": "dbname"}


def configured(values: Mapping[str, Any], _surroundings: Surroundings) -> str | None:
    """The database that the application uses, where one is named."""
    if not values["db_name"] or "," in values["db_name"]:
        return None
    words = {libpq: values[name] for name, libpq in LIBPQ.items() if values[name] is not None}
    return conninfo({**words, "sslmode": values["db_sslmode"]})


def stored(values: Mapping[str, Any], surroundings: Surroundings) -> bool:
    """Whether there is a store in any case that can do it. The database of an Odoo is none, and a SQLite file has no notices."""
    if values["workers"] == 0 and values["store_dsn"] is None and values["session_store"] != "postgresql":
        return False
    if (values["store_dsn"] or "").startswith(SQLITE):
        return False
    odoos = values["odoo"] and values["store_dsn"] == configured(values, surroundings)
    return bool(values["jobs"]) or values["session_store"] == "postgresql" or (values["store_dsn"] is not None and not odoos)


@grouped
class Store:
    """Scheduled jobs, the bus, and the database that they and Prefork's other lasting things are kept in."""

    jobs: tuple[str, ...] = option(
        kinds.NAMES, (), "The application's modules that declare scheduled jobs; they are imported with the application"
    )
    store_dsn: str | None = option(
        kinds.DSN,
        Derived(
            configured,
            "the database of the `db_` options; where they name none, one of the server's own, with `workers = 0` a SQLite file",
        ),
        "The PostgreSQL database for what Prefork keeps, in a schema named prefork: `dbname=shop host=…` or `postgresql://…`; with "
        "`workers = 0` also `sqlite:/path`",
        secret=True,
    )
    store_listen_dsn: str | None = option(
        kinds.DSN,
        None,
        "The same database without a pooler between, where `store_dsn` goes through one: notices do not pass it",
        secret=True,
    )
    prepare_threshold: int = option(
        kinds.NUMBER,
        5,
        "A statement is prepared after this many uses on a connection; 0 means never, as PgBouncer before 1.21 needs it",
        minimum=0,
        maximum=HIGHEST,
    )
    bus: bool = option(
        kinds.SWITCH,
        Derived(stored, "True where something is stored, or a database is named"),
        "What `prefork.bus` publishes reaches those who listen on WebSockets and long polls",
    )
    bus_retention: float = option(
        kinds.TIME, 86_400.0, "Messages of the bus are kept for this long, for those who come back", minimum=60, maximum=LONGEST
    )
    bus_retention_count: int = option(
        kinds.NUMBER, 1_000_000, "No more messages of the bus are kept than this", minimum=1000, maximum=HIGHEST
    )
    db_host: str | None = option(kinds.WORD, None, "The host of the application's database, or its socket's directory")
    db_port: int | None = option(kinds.PORT, None, "The port of the application's database", minimum=1, maximum=65535)
    db_user: str | None = option(kinds.WORD, None, "The role that the application's database knows it by")
    db_password: str | None = option(
        kinds.SECRET, None, "Its password; not set means that libpq looks into its passfile", secret=True
    )
    db_name: str | None = option(kinds.WORD, None, "The application's database; several, as Odoo can have, name no store")
    db_sslmode: str = option(kinds.SSLMODE, "prefer", "How connections to it are encrypted")
