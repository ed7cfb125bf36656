"""What the log says about changed files."""

from __future__ import annotations

from prefork.master.watch import NAMED, named


def test_files_are_named_as_the_developer_knows_them() -> None:
    assert named(["/site/shop.py", "/etc/prefork.conf"], 2, "/site") == ("shop.py", "/etc/prefork.conf")


def test_of_many_files_a_few_are_named() -> None:
    files = [f"/site/{number}.py" for number in range(100)]
    shown = named(files, 250, "/site")
    assert shown[:NAMED] == tuple(f"{number}.py" for number in range(NAMED))
    assert shown[NAMED:] == (f"and {250 - NAMED} more",)
