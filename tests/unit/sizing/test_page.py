"""docs/sizing.md says what the code does."""

import re

import pytest
from tests.conftest import ROOT

from prefork.sizing.machine import GIB, Machine
from prefork.sizing.plans import PLANS
from prefork.sizing.rules import RULES
from prefork.sizing.size import Demand, size

PAGE = (ROOT / "docs" / "sizing.md").read_text()
ROWS = re.findall(r"^\| (\d+) CPUs?, (\d+) GB \| (.+?) \|$", PAGE, re.MULTILINE)


def test_the_page_has_the_rules_side_by_side() -> None:
    assert len(ROWS) == 8
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE) == list(RULES)
    assert all(f"`{plan}`" in PAGE for plan in PLANS)


@pytest.mark.parametrize(("cpus", "gigabytes", "cells"), ROWS)
def test_each_row_is_what_size_gives(cpus: str, gigabytes: str, cells: str) -> None:
    found = [size(Demand(Machine(int(cpus), int(gigabytes) * GIB)), rule) for rule in RULES]
    assert cells.split(" | ") == [f"{each.workers} + {each.cron}, {each.users}, {each.binding}" for each in found]
