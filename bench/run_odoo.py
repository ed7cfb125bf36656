"""Measure Prefork beside Odoo's own server, and write docs/odoo-benchmarks.md.

    python bench/run_odoo.py --odoo /its/tree --python /its/interpreter [--rounds 5] [--quick] [--servers "Odoo's own"]

A whole run takes about seven minutes a round. A run that is quick, or has other rounds or not all of the servers, writes to
bench/results/ instead, so that it never replaces a whole one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from pathlib import Path

from environment import machine
from odoo.day import Pace
from odoo.page import page
from odoo.rounds import Installation, measure
from odoo.served import SERVERS
from processes import ServerFailed
from servers import ROOT

ROUNDS = 5
QUICK, WHOLE = Pace(load=1.0, warm=0.5), Pace(load=6.0, warm=1.0)


def main() -> None:
    """Read the command line, make the database, measure, publish."""
    arguments = argparse.ArgumentParser(description="Measure Prefork beside Odoo's own server.")
    arguments.add_argument("--odoo", required=True, type=Path, help="the directory that holds odoo-bin")
    arguments.add_argument("--python", required=True, type=Path, help="the interpreter that has Odoo's requirements")
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    arguments.add_argument("--quick", action="store_true", help="one round, short loads")
    arguments.add_argument("--servers", default=",".join(SERVERS))
    given = arguments.parse_args()
    try:
        installation = Installation(given.odoo.absolute(), given.python.absolute())
    except ValueError as error:
        sys.exit(f"bench: {error}")
    names = given.servers.split(",")
    began = time.monotonic()
    rounds = measure(installation, names, 1 if given.quick else given.rounds, QUICK if given.quick else WHOLE)
    now = dt.datetime.now(dt.UTC)
    facts = {"date": f"{now:%Y-%m-%d}", **machine(), "odoo": f"{installation.version}.0", "rounds": str(len(rounds))}
    facts["time"] = f"{(time.monotonic() - began) / 60:.0f} minutes"
    raw = ROOT / "bench" / "results" / f"odoo-{now:%Y%m%d-%H%M%S}.json"
    raw.parent.mkdir(exist_ok=True)
    raw.write_text(json.dumps({"facts": facts, "rounds": rounds}, indent=1))
    print(f"wrote {raw.relative_to(ROOT)}")
    if set(names) == set(SERVERS):
        text = page(facts, rounds)
        place = raw.with_suffix(".md") if given.quick or given.rounds != ROUNDS else ROOT / "docs" / "odoo-benchmarks.md"
        place.write_text(text)
        print(f"wrote {place.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except ServerFailed as failed:
        sys.exit(f"bench: {failed}")
