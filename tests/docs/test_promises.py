"""Each promise of ARCHITECTURE.md is held by a test that is there, as pytest calls it, or by a target of make."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from tests.conftest import ROOT

TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
TABLE = (ROOT / "ARCHITECTURE.md").read_text().partition("\n## Promises\n")[2].splitlines()
PROMISES = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE if line.startswith("| ")][1:]


@cache
def names(file: Path) -> frozenset[str]:
    """What a module of tests has: functions, and classes, also such as hypothesis makes of state machines."""
    nodes = ast.walk(ast.parse(file.read_text()))
    named = (node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)))
    return frozenset(getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else node.name for node in named)


def missing(holders: list[str]) -> list[str]:
    """Those that are not there. `file.py::test_name`; `…test_other` is in the same file, `test_any_…` whatever begins so."""
    lost = []
    files: list[Path] = []
    for holder in holders:
        if holder.startswith("make "):
            if not re.search(rf"^{holder.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE):
                lost.append(holder)
            continue
        place, _, test = ("", "", holder.removeprefix("…")) if holder.startswith("…") else holder.partition("::")
        files = [file for file in TESTS if str(file).endswith(f"/{place}")] if place else files
        begun = test.endswith("…")
        there = [file for file in files for name in names(file) if name == test or (begun and name.startswith(test[:-1]))]
        if not files or (test and not there):
            lost.append(holder)
    return lost


@pytest.mark.parametrize(("promise", "holders"), PROMISES, ids=str)
def test_a_promise_is_held(promise: str, holders: str) -> None:
    named = re.findall(r"`([^`]+)`", holders)
    assert named, f"nothing holds: {promise}"
    assert missing(named) == []


def test_what_is_not_there_is_found() -> None:
    gone = ["test_kill.py::test_gone", "test_gone.py", "make gone", "tests/stories/test_kill.py::test_gone_…"]
    assert missing(gone) == gone
