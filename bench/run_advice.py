"""Measure how right the predictions are and how `workers = auto` does, and write it into docs/advice.md, with its picture.

    python3 bench/run_advice.py [--quick] [--only light,…]

A whole run takes less than ten minutes, on a machine that does nothing else. A run that is quick or partial writes to
bench/results/ instead.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from environment import machine, prepared
from predicted import page
from predicted.cells import Cell, measure
from predicted.mixes import MIXES
from predicted.race import Runner, race
from processes import ServerFailed, adopt_orphans
from servers import PEERS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = {"cell": 12.0, "race": 80.0}
QUICK = {"cell": 3.0, "race": 10.0}
REQUIREMENTS = ROOT / "bench" / "predicted" / "requirements.txt"


def main() -> None:
    """Read the command line, measure, publish."""
    arguments = argparse.ArgumentParser(description="Measure predictions and automatic numbers of workers.")
    arguments.add_argument("--quick", action="store_true", help="short traffic")
    arguments.add_argument("--only", metavar="MIX,…", help="some of the mixes, without the race")
    given = arguments.parse_args()
    names = given.only.split(",") if given.only else [mix.name for mix in MIXES]
    seconds = QUICK if given.quick else SECONDS
    failures = prepared(REQUIREMENTS)
    adopt_orphans()
    began, cells = time.monotonic(), []
    for mix in MIXES:
        if mix.name in names:
            cells += [told(began, cell) for cell in measure(mix, seconds["cell"])]
    runners = [] if given.only else [shown(began, each) for each in race(seconds["race"])]
    now = dt.datetime.now(dt.UTC)
    facts = {"date": f"{now:%Y-%m-%d}", **machine()}
    raw = ROOT / "bench" / "results" / f"advice-{now:%Y%m%d-%H%M%S}.json"
    raw.parent.mkdir(exist_ok=True)
    found = {"facts": facts, "cells": [asdict(cell) for cell in cells], "race": [asdict(each) for each in runners]}
    raw.write_text(json.dumps(found, indent=1))
    whole = not (given.quick or given.only)
    text = page.part(facts, MIXES, cells, runners, seconds)
    place = ROOT / "docs" / "advice.md" if whole else raw.with_suffix(".md")
    place.write_text(page.replaced(place.read_text(), text) if whole else text)
    if failures:
        print(f"no picture: {failures}")
    else:
        draw(cells, place.with_name(page.PICTURE) if whole else raw.with_suffix(".svg"))
    print(f"wrote {place.relative_to(ROOT)} and {raw.relative_to(ROOT)}")


def told(began: float, cell: Cell) -> Cell:
    """Say how one went."""
    waits = f"p95 predicted {1000 * cell.predicted:8.1f} ms  measured {1000 * cell.measured:8.1f} ms"
    marks = f"{'saturated ' if cell.saturated else ''}{'' if cell.right else 'WRONG'}"
    print(f"[{time.monotonic() - began:4.0f} s] {cell.mix:<12} {cell.workers} workers  {waits}  {marks}", flush=True)
    return cell


def shown(began: float, each: Runner) -> Runner:
    """The same of the race."""
    waits = f"p95 {1000 * each.p95:.0f} ms, {each.worker_seconds:.0f} worker-seconds, {each.failures} failed"
    print(f"[{time.monotonic() - began:4.0f} s] {each.name:<24} {waits}", flush=True)
    return each


def draw(cells: list[Cell], place: Path) -> None:
    """The picture, drawn by the environment that has what it takes."""
    script = str(ROOT / "bench" / "predicted" / "picture.py")
    given = json.dumps([asdict(cell) for cell in cells])
    subprocess.run([str(PEERS / "python"), script, str(place)], input=given, text=True, check=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except ServerFailed as failed:
        sys.exit(f"bench: {failed}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; every server has been stopped")
