"""Packages that an interpreter is lent: importable under their name, and nothing of them is left where their import fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from prefork.worker.packages import borrower, lend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "lent_for_a_test"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / NAME
    directory.mkdir()
    (directory / "part.py").write_text("SAID = 'here'\n")
    yield directory
    for name in known():
        del sys.modules[name]


def known() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == NAME]


def test_a_package_is_importable_without_a_place_on_the_path(package: Path) -> None:
    (package / "__init__.py").write_text("from .part import SAID\n")
    lend(NAME, str(package))
    assert sys.modules[NAME].SAID == "here"
    assert str(package.parent) not in sys.path


def test_nothing_is_left_of_one_that_cannot_be_imported(package: Path) -> None:
    (package / "__init__.py").write_text("from .part import SAID\nraise ImportError('made for another Python')\n")
    with pytest.raises(ImportError, match="another Python"):
        lend(NAME, str(package))
    assert not known()


def test_another_version_of_the_parser_reads_nothing() -> None:
    import httptools

    assert borrower(None) is None
    assert borrower({"package": "/nowhere", "version": httptools.__version__}) is not None
    assert borrower({"package": "/nowhere", "version": "0.0.1"}) is None
