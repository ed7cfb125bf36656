"""Which files count, and what has changed between two looks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prefork.watcher.tree import Tree, counts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    for name in ("shop.py", "pages/base.html", "pages/logo.png", "data/prefork.py", "venv/lib/x.py", ".git/hooks.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "venv" / "pyvenv.cfg").write_text("")
    for name in ("__pycache__", "node_modules", "site-packages"):
        (root / name).mkdir()
        (root / name / "x.py").write_text("")
    return root


def tree(root: Path, *files: Path) -> Tree:
    return Tree(str(root), str(root / "data"), tuple(map(str, files)))


def names(paths: list[str] | dict[str, object], root: Path) -> list[str]:
    return sorted(os.path.relpath(path, root) for path in paths)


@pytest.mark.parametrize("name", ["a.py", "a.html", "a.jinja2", "settings.toml", "x.yml", ".env"])
def test_what_counts(name: str) -> None:
    assert counts(name)


@pytest.mark.parametrize("name", ["a.pyc", "a.py~", ".#a.py", ".a.py.swp", "4913", "db.sqlite3", "app.log", "upload.json", "py"])
def test_what_does_not(name: str) -> None:
    assert not counts(name)


def test_what_others_have_written_is_passed_over(root: Path) -> None:
    look = tree(root).look()
    assert names(look.files, root) == ["pages/base.html", "shop.py"]
    assert names(list(look.folders), root) == [".", "pages"]


def test_single_files_count_wherever_they_are(root: Path) -> None:
    configuration = root.parent / "prefork.conf"
    configuration.write_text("")
    (root.parent / "other.py").write_text("")
    look = tree(root, configuration).look()
    assert str(configuration) in look.files
    assert str(root.parent) in look.folders
    assert str(root.parent / "other.py") not in look.files


def test_a_configuration_file_that_is_not_there_is_no_fault(root: Path) -> None:
    assert tree(root, root.parent / "no" / "prefork.conf").look().folders == tree(root).look().folders


def test_changes(root: Path) -> None:
    subject = tree(root)
    before = subject.look()
    assert before.changed(before) == []
    (root / "shop.py").write_text("changed")
    (root / "pages" / "base.html").unlink()
    (root / "new").mkdir()
    (root / "new" / "late.py").write_text("")
    (root / "pages" / "logo.png").write_text("changed")
    after = subject.look()
    assert names(after.changed(before), root) == ["new/late.py", "pages/base.html", "shop.py"]
    assert names(list(after.folders.keys() - before.folders.keys()), root) == ["new"]


def test_an_editor_that_replaces_a_file_changes_it(root: Path) -> None:
    """Even when the new one has the same size and time."""
    subject = tree(root)
    before = subject.look()
    status = (root / "shop.py").stat()
    (root / "shop.new").write_text("")
    os.utime(root / "shop.new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "shop.new").rename(root / "shop.py")
    assert names(subject.look().changed(before), root) == ["shop.py"]


def test_another_directory_in_the_place_of_one_is_another(root: Path) -> None:
    subject = tree(root)
    before = subject.look()
    (root / "pages").rename(root / ".gone")
    (root / "pages").mkdir()
    after = subject.look()
    assert after.folders.keys() == before.folders.keys()
    assert after.folders != before.folders


def test_when_to_look(root: Path) -> None:
    subject = tree(root, root.parent / "prefork.conf")
    for path in ("shop.py", "gone.py", "pages", "../prefork.conf"):
        assert subject.concerns(os.path.normpath(root / path)), path
    for path in ("pages/logo.png", "db.sqlite3", "data", "venv", "node_modules", ".git", "gone"):
        assert not subject.concerns(str(root / path)), path


def test_links_are_followed(root: Path) -> None:
    """To a package that lies elsewhere, and to a file whose directory is not the link's."""
    elsewhere = root.parent / "shared"
    (elsewhere / "library" / "inner").mkdir(parents=True)
    (elsewhere / "library" / "inner" / "deep.py").write_text("")
    (elsewhere / "single").mkdir()
    (elsewhere / "single" / "local.py").write_text("")
    (root / "library").symlink_to(elsewhere / "library")
    (root / "local.py").symlink_to(elsewhere / "single" / "local.py")
    subject = tree(root)
    before = subject.look()
    assert names(before.files, root) == ["library/inner/deep.py", "local.py", "pages/base.html", "shop.py"]
    assert names(list(before.folders), root) == [".", "../shared/single", "library", "library/inner", "pages"]
    (elsewhere / "library" / "inner" / "deep.py").write_text("changed")
    (elsewhere / "single" / "local.py").write_text("changed")
    assert names(subject.look().changed(before), root) == ["library/inner/deep.py", "local.py"]
    assert subject.concerns(str(root / "library"))
    assert subject.concerns(str(elsewhere / "single" / "local.py"))


def test_a_link_that_leads_elsewhere_now_is_watched_anew(root: Path) -> None:
    for name in ("one", "two"):
        (root.parent / name).mkdir()
        (root.parent / name / "x.py").write_text("")
    (root / "current").symlink_to(root.parent / "one")
    subject = tree(root)
    before = subject.look()
    (root / "current").unlink()
    (root / "current").symlink_to(root.parent / "two")
    after = subject.look()
    assert names(after.changed(before), root) == ["current/x.py"]
    assert after.folders != before.folders


def test_links_that_lead_up_around_or_to_what_is_passed_over_are_not(root: Path) -> None:
    before = tree(root).look()
    (root.parent / "sibling.py").write_text("")
    for name, target in {
        "up": root.parent, "top": root.parent.parent, "machine": "/", "self": ".", "pages/again": "..", "packages": "site-packages",
        "environment": "venv", "kept": "data", "nowhere": "nothing",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    assert tree(root).look() == before


def test_what_several_ways_lead_to_is_entered_once(root: Path) -> None:
    (root / "also").symlink_to("pages")
    look = tree(root).look()
    assert names(look.files, root) == ["also/base.html", "shop.py"]
    assert names(list(look.folders), root) == [".", "also"]
