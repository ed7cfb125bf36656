"""`make test-lab`: brings the lab up, hits it under load, and writes what came of it into docs/lab.md. Root, about an hour.

`python tests/lab/run.py SCENARIO…` runs some of the scenarios, `--odoo TREE --odoo-python PYTHON` the one with Odoo in it
(`make test-lab-odoo`, ten minutes). The exit status is 1 when a promise did not hold, 2 when it was called wrongly.
"""

import argparse
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.conftest import ROOT
from tests.lab import scenarios
from tests.lab.page import write
from tests.lab.scenarios import odoo

from prefork.lab.changes import Unfit
from prefork.lab.odoo import found

ADDONS = ROOT / "tests" / "lab" / "addons"


def wanted() -> dict[str, scenarios.Scenario]:
    """Those of the command line, by name."""
    parser = argparse.ArgumentParser(prog="test-lab")
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    parser.add_argument("--odoo", type=Path, metavar="TREE", help="the directory that holds odoo-bin")
    parser.add_argument("--odoo-python", type=Path, metavar="PYTHON", help="the interpreter that has Odoo's requirements")
    given = parser.parse_args()
    if unknown := set(given.names) - set(scenarios.ALL):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(scenarios.ALL)}")
    if given.odoo is None and given.odoo_python is None:
        return {name: scenarios.ALL[name] for name in given.names or scenarios.ALL}
    try:
        served = found(given.odoo or Path(), given.odoo_python or Path(), (ADDONS,), ("mail", "prefork_lab"))
    except Unfit as problem:
        parser.error(f"{problem}; say make test-lab-odoo ODOO=/its/tree PYTHON=/its/interpreter")
    return {"odoo": partial(odoo.run, served=served)}


def main() -> int:
    """Run these scenarios."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it ends, nothing of the lab is left
    signal.signal(signal.SIGINT, signal.default_int_handler)
    broken: list[str] = []
    for name, scenario in wanted().items():
        with tempfile.TemporaryDirectory(prefix="prefork-lab-") as place:
            text, wrong = scenario(Path(place, "lab"))
        write(name, text)
        broken += [f"{name}: {each}" for each in wrong]
    print("\n".join(broken) or "every promise held")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
