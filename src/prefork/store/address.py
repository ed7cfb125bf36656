"""Where the store is. A server tells its workers through `use`; scripts and tests set the variable `PREFORK_STORE_DSN`, or call it.

An address may hold a password: it is never printed, logged or shown.
"""

from __future__ import annotations

import os
from typing import NamedTuple

VARIABLE = "PREFORK_STORE_DSN"


class Address(NamedTuple):
    """A database in libpq's words (`dbname=…` or `postgresql://…`), and how connections to it must behave.

    `listen` is the way around a pooler that connections share; `prepare` is after how many uses the driver prepares a statement,
    None for never; `patience` how many seconds a database may take that is started at the same time as we are.
    """

    dsn: str
    listen: str | None = None
    prepare: int | None = 5
    patience: float = 0.0


_used: Address | None = None


def use(dsn: str, listen: str | None = None, prepare: int | None = 5, patience: float = 0.0) -> None:
    """Have this process, and those that it forks, keep their things in this database."""
    global _used
    _used = Address(dsn, listen, prepare, patience)


def address() -> Address | None:
    """Where the store of this process is, None where nobody has said it."""
    if _used is not None:
        return _used
    dsn = os.environ.get(VARIABLE, "")
    return Address(dsn) if dsn else None
