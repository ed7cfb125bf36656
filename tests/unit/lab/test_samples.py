"""The file of ten million samples is filled as the console would have filled it."""

from pathlib import Path

import pytest
from tests.lab import samples
from tests.lab.samples import FIGURES, INSTANCE, asked, fill

from prefork.instances import history
from prefork.instances.database import Database

SPAN = 600.0  # seconds that are kept of each kind


def test_what_is_copied_to_other_instances_is_what_the_first_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "GRAINS", dict.fromkeys(samples.GRAINS, (60.0, SPAN)))
    db, made = fill(tmp_path / "console.sqlite", 50)
    with db:
        first, second = [db.rows(history.SPAN, f"shop 0000{number}", history.HOUR, 0, 1e12) for number in range(2)]
    assert made == 60
    assert len(first) == 10
    assert [tuple(row) for row in second] == [tuple(row) for row in first]
    assert {name: first[0][name] for name in FIGURES} == FIGURES


def test_each_statement_is_asked_with_as_much_as_it_takes(tmp_path: Path) -> None:
    with Database(tmp_path / "console.sqlite") as db:
        db.change(INSTANCE, "shop 00500", "shop 00500")
        for each in asked(1e9):
            db.rows(each.text, *each.values)
        assert len(db.rows(history.SPAN, "shop 00500", history.MEASURED, 0, 1e12)) == 1, "one is recorded"
