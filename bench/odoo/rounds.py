"""The rounds: a PostgreSQL and a database are made, then each server has its day, again and again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.applications.environments import environment
from tests.applications.postgres import Postgres
from tests.odoo.installation import Estate, Installation

from odoo.day import compete, spend
from odoo.served import LENT

if TYPE_CHECKING:
    from odoo.day import Pace

__all__ = ["Installation", "measure"]


def measure(installation: Installation, names: list[str], count: int, pace: Pace) -> list[dict[str, dict[str, float]]]:
    """Every round of every server, on a PostgreSQL of its own. A server that fails ends the run."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as place:
        postgres = Postgres(environment("postgres"), Path(place) / "postgres")
        postgres.create()
        with postgres:
            estate = Estate(installation, postgres, Path(place) / "files")
            print("making the database …", flush=True)
            estate.build()
            return [one_round(number, estate, names, pace) for number in range(count)]


def one_round(number: int, estate: Estate, names: list[str], pace: Pace) -> dict[str, dict[str, float]]:
    """Each server once; who comes first alternates. The one that lends differs in what it does with requests, and only competes."""
    order = names if number % 2 == 0 else names[::-1]
    found = {name: {} if name == LENT else spend(name, estate, pace) for name in order}
    for name, figures in compete(order, estate, pace).items():
        found[name] |= figures
        print(f"round {number + 1}  {name}: " + "  ".join(f"{key} {value:.4g}" for key, value in found[name].items()), flush=True)
    return found
