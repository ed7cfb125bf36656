"""Where the store is: what the server has told this process, or in scripts and tests the variable `PREFORK_STORE_DSN`.

An address may hold a password: it is never printed, logged or shown.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from prefork import given

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


def address() -> Address | None:
    """Where the store of this process is, None where nobody has said it."""
    if told := given.settings.get("store"):
        return Address(**told)
    dsn = os.environ.get(VARIABLE, "")
    return Address(dsn) if dsn else None
