"""Which modules are compiled, and who prefers them. That they do what their source says is for `make test-compiled`."""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from tests.conftest import ROOT

from prefork import config
from prefork.cli.application import form, reading
from prefork.compiled import LIBRARY, SOURCES, SUFFIX, changed, modules, prefer

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "src" / "prefork"
BUILD = runpy.run_path(str(ROOT / "hatch_build.py"))
MODULES: list[str] = BUILD["MODULES"]
NATIVE: list[str] = BUILD["NATIVE"]


def installed(place: Path, *names: str) -> Path:
    """A tree of compiled modules, of empty files."""
    for name in names:
        file = place / (name + SUFFIX)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return place


def test_modules_are_named_as_they_are_imported(tmp_path: Path) -> None:
    place = installed(tmp_path, LIBRARY, "trace", "http/head", "dispatcher/queue")
    assert modules(place) == ["prefork.dispatcher.queue", "prefork.http.head", "prefork.trace"]


def test_what_was_made_for_another_interpreter_is_not_there(tmp_path: Path) -> None:
    installed(tmp_path, "http/head")
    (tmp_path / f"{LIBRARY}.cpython-38-x86_64-linux-gnu.so").touch()
    assert modules(tmp_path) == []
    assert modules(tmp_path / "nowhere") == []


def test_without_any_a_dispatcher_imports_its_source(tmp_path: Path) -> None:
    program = f"""
import pathlib
from prefork import compiled
compiled.prefer(pathlib.Path({str(tmp_path)!r}))
import prefork.dispatcher.queue
print(prefork.dispatcher.queue.__file__)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith("prefork/dispatcher/queue.py")


def test_what_was_made_from_another_source_is_left_alone(tmp_path: Path) -> None:
    place = installed(tmp_path, LIBRARY, "trace", "http/head")
    assert changed(place) == ["prefork.http.head", "prefork.trace"]
    crc = {file: zlib.crc32((PACKAGE / file).read_bytes()) for file in ("http/head.py", "trace.py")}
    (place / SOURCES).write_text(json.dumps(crc))
    assert changed(place) == []
    (place / SOURCES).write_text(json.dumps({**crc, "trace.py": 0}))
    assert changed(place) == ["prefork.trace"]
    prefer(place)  # which would fail if it took these empty files for a library
    assert LIBRARY not in sys.modules


def test_what_is_written_in_c_says_its_types_as_its_source_or_beside_it() -> None:
    assert {PACKAGE / f"{name}.pyx" for name in NATIVE} == set(PACKAGE.rglob("*.pyx"))
    only = [name for name in NATIVE if not (PACKAGE / f"{name}.py").exists()]
    assert {PACKAGE / f"{name}.pyi" for name in only} == set(PACKAGE.rglob("*.pyi"))


@pytest.mark.parametrize("name", MODULES)
def test_what_is_compiled_can_be(name: str) -> None:
    """A compiled coroutine has no frame, so stacks of tasks would end there; `*` in a call of `super()` becomes one argument."""
    nodes = list(ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text())))
    assert not [node for node in nodes if isinstance(node, ast.AsyncFunctionDef)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("super().")]
    assert not [call for call in calls if any(isinstance(argument, ast.Starred) for argument in call.args)]


@pytest.mark.parametrize(
    ("wanted", "count", "changed", "said"),
    [
        (True, 34, [], "runs compiled: 34"),
        (False, 34, [], "runs from source (compiled = False): 34"),
        (True, 0, [], "runs from source: nothing"),
        (True, 34, ["prefork.trace"], "runs from source: prefork.trace changed since 34 modules were compiled here"),
        (True, 34, ["prefork.lines", "prefork.trace"], "prefork.lines and 1 more changed"),
    ],
)
def test_a_check_says_which_form_would_run(wanted: bool, count: int, changed: list[str], said: str) -> None:
    assert said in form(wanted, count, changed)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "The dispatcher reads every request (lend_connections = False)"),
        ({"lend_connections": "True"}, "Workers read requests of TCP connections themselves"),
        ({"lend_connections": "True", "workers": "0"}, "not lent with workers = 0"),
        (
            {"lend_connections": "True", "keepalive_timeout": "0", "lanes": "slow:/slow/*:1"},
            "not lent with keepalive_timeout = 0 and a lane that reserves workers",
        ),
    ],
)
def test_a_check_says_who_would_read_requests(given: dict[str, str], said: str, tmp_path: Path) -> None:
    settings = config.load(None, {"app": "probe:app", **given}, {}, tmp_path)
    assert said in reading(settings)
