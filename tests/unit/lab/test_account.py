"""Who may have a lab without being root, and what its nodes see of the machine."""

import os
import pwd
import shutil
from pathlib import Path

import pytest

from prefork.lab import account


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an account that is not root, on a machine that maps accounts."""
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/newuidmap")
    return pwd.getpwuid(1).pw_name


def test_root_is_root_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (account.way_in(0), account.way_in(7), account.obstacle()) == ([], [], "")


def test_an_account_with_numbers_of_its_own_goes_into_a_namespace(somebody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "numbers", lambda _, name: 65_536 if name == somebody else 0)
    assert account.way_in(0) == ["unshare", "--user", "--map-root-user", "--map-auto", "--"]
    assert account.way_in(7) == ["nsenter", "--target=7", "--user", "--"]


def test_one_without_is_told_how_to_get_them(somebody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "numbers", lambda *_: 1000)
    assert account.obstacle().endswith(f"usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {somebody}")
    assert account.way_in(0) == []
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert account.obstacle().endswith("apt-get install uidmap")


def test_numbers_are_counted_in_one_piece(tmp_path: Path) -> None:
    (tmp_path / "subuid").write_text("ann:100000:1000\nben:101000:65536\nben:200000:10\n")
    counted = [account.numbers(tmp_path / "subuid", name) for name in ("ann", "ben", "cid")]
    assert (counted, account.numbers(tmp_path / "nowhere", "ann")) == ([1000, 65_536, 0], 0)


def test_a_node_finds_directories_of_var_and_none_of_what_is_in_them(tmp_path: Path) -> None:
    account.copy_machine(tmp_path / "machine")
    assert (tmp_path / "machine/etc/passwd").read_text() == Path("/etc/passwd").read_text()
    assert (tmp_path / "machine/opt").readlink() == Path("/opt")
    found = [path for path in (tmp_path / "machine/var").rglob("*") if not path.is_symlink()]
    assert Path(tmp_path, "machine/var/lib") in found
    assert all(path.is_dir() for path in found)
    assert max(len(path.relative_to(tmp_path / "machine").parts) for path in found) <= 3
