"""The flags of `prefork console` that are about instances of its own: what is wrong with them is said before anything runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from prefork.cli import main
from prefork.console.serving import Means
from prefork.instances.database import Database
from prefork.provision.children import Children
from prefork.provision.systemd import Systemd


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--ports", "9000-8000"], "9000-8000 are no two ports"),
        (["--ports", "8100"], "8100 are no two ports"),
        (["--web", "80-70000"], "80-70000 are no two ports"),
        (["--sites", "/no/such/directory"], "does not exist"),
        (["--account", "root"], "--account needs root, and a machine that systemd runs"),
    ],
)
def test_what_is_wrong_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str) -> None:
    monkeypatch.setattr("prefork.provision.systemd.RUNNING", tmp_path / "no-systemd")
    ended = CliRunner().invoke(main, ["console", "--data-dir", str(tmp_path / "data"), *flags])
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.split())
    assert not (tmp_path / "data").exists()


def test_an_account_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.provision.systemd.is_ours", lambda: True)
    ended = CliRunner().invoke(main, ["console", "--data-dir", str(tmp_path / "data"), "--account", "nobody-of-that-name"])
    assert (ended.exit_code, "there is no account nobody-of-that-name" in ended.output) == (2, True)


def test_who_names_an_account_has_systemd_run_them(tmp_path: Path) -> None:
    with Database(tmp_path / "console.sqlite") as db:
        assert isinstance(Means().premises(db, tmp_path).runner, Children)
        told = Means(account="root").premises(db, tmp_path)
    assert isinstance(told.runner, Systemd)
    assert (told.account, told.directory) == ((0, 0), tmp_path / "instances")
