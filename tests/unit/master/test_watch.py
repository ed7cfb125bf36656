"""What the log says about changed files."""

from __future__ import annotations

from prefork.master.watch import named


def test_files_are_named_as_the_developer_knows_them() -> None:
    assert named(["/site/shop.py", "/etc/prefork.conf"], 2, "/site") == ("shop.py", "/etc/prefork.conf")


def test_of_many_files_a_few_are_named() -> None:
    assert named(["/site/a.py", "/site/b.py"], 250, "/site") == ("a.py", "b.py", "and 248 more")
