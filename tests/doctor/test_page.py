"""docs/doctor.md names every check with its source, and every fault that is tried."""

import re

from tests.conftest import ROOT

from prefork.doctor.checks import CHECKS
from prefork.doctor.examine import OPENING

from . import test_faults
from .faults import FAULTS

PAGE = (ROOT / "docs" / "doctor.md").read_text()


def rows(title: str) -> list[list[str]]:
    """The cells below a heading."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")][1:]


def test_every_check_is_named_with_its_reason_and_source() -> None:
    named = {row[0].strip("`"): (row[2], row[3]) for row in rows("Checks")}
    openings = {name for name, *_ in OPENING.values()}
    assert {name: said for name, said in named.items() if name not in openings} == {
        name: (each.why, each.source) for name, each in CHECKS.items()
    }
    assert openings <= set(named)


def test_every_fault_is_named_with_the_check_that_finds_it() -> None:
    named = {row[0]: ", ".join(re.findall(r"`([\w-]+)`", row[1])) for row in rows("Faults that it is tried with")}
    assert test_faults  # importing it has noted the rest
    assert named == dict(FAULTS)
    assert len(named) == len(FAULTS) >= 30
