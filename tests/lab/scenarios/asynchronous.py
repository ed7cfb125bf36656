"""The same failures of the primary where a commit does not wait for the standby: what is lost then is counted."""

from dataclasses import replace
from pathlib import Path

from tests.lab.hits import HITS
from tests.lab.page import table
from tests.lab.rig import rigged
from tests.lab.scenarios.failures import HEAD, judged

ABOUT = ("primary killed", "node of the primary lost", "links cut: primary, both")


def run(place: Path) -> tuple[str, list[str]]:
    """Each of them in one lab. What is lost is counted, and not held against anybody."""
    rows, found = [], []
    with rigged(place, synchronous=False) as rig:
        for hit in HITS:
            if not hit.name.startswith(ABOUT):
                continue
            text, wrong = judged(rig, hit, replace(hit.bounds, kept=False))
            rows.append(text)
            found += [f"{hit.name}: {each}" for each in wrong]
    return table(HEAD, rows), found
