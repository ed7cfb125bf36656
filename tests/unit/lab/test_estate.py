"""Whether a node lives is what its lock says; what a lab leaves is nothing."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.lab.test_changes import ODOO

from prefork.lab import estate, packages
from prefork.lab.changes import Unfit
from prefork.lab.odoo import Odoo
from prefork.render.topology import shipped

HOLDING = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has all that a lab needs."""
    monkeypatch.setattr(packages, "obstacles", lambda _: [])


def made(directory: Path, served: Odoo | None = None) -> estate.Estate:
    return estate.make(directory, shipped("enterprise"), "enterprise", ("/bin/python", "/bin/prefork"), served=served)


def held(lock: Path) -> subprocess.Popen[str]:
    holding = subprocess.Popen([sys.executable, "-c", HOLDING, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holding.stdout
    assert holding.stdout.readline() == "held\n"
    return holding


def test_who_holds_the_lock_of_a_node_is_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert estate.holder(lock) == 0
    with held(lock) as holding:
        assert estate.holder(lock) == holding.pid
        estate.kill(holding.pid)
        assert estate.holder(lock) == 0
        assert holding.wait(10) == -9


@pytest.mark.parametrize("served", [None, ODOO])
def test_a_lab_is_found_again_as_it_was_made(tmp_path: Path, served: Odoo | None) -> None:
    first, again = made(tmp_path / "lab", served), estate.found(tmp_path / "lab")
    assert (first.fitted, first.secrets) == (again.fitted, again.secrets)
    assert len(set(first.secrets.values())) == len(estate.ROLES)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    made(tmp_path / "lab")
    assert (tmp_path / "lab").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "lab" / "lab.json").stat().st_mode & 0o777 == 0o600


def test_removing_ends_what_lives_and_may_be_repeated(tmp_path: Path) -> None:
    lab = made(tmp_path / "lab")
    lab.home("app1").mkdir(parents=True)
    with held(lab.home("app1") / "lock") as holding:
        assert lab.pid("app1") == holding.pid
        estate.remove(lab.directory)
        assert holding.wait(10) == -9
    assert not lab.directory.exists()
    estate.remove(lab.directory)


def test_what_is_not_the_labs_own_is_left(tmp_path: Path) -> None:
    lab = made(tmp_path / "lab")
    (lab.directory / "mine").write_text("kept")
    estate.remove(lab.directory)
    assert [each.name for each in lab.directory.iterdir()] == ["mine"]


def test_a_missing_lab_or_node_is_said(tmp_path: Path) -> None:
    with pytest.raises(estate.Missing, match="prefork lab up"):
        estate.found(tmp_path)
    with pytest.raises(estate.Missing, match="there is no node app9"):
        made(tmp_path / "lab").node("app9")
    with pytest.raises(estate.Missing, match="is not up"):
        _ = estate.found(tmp_path / "lab").hub


def test_a_lock_that_this_process_holds_is_no_other_node(tmp_path: Path) -> None:
    """A process asks about others: its own lock is none to it."""
    with (tmp_path / "lock").open("w") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX)
        assert estate.holder(tmp_path / "lock") == 0


def test_a_machine_that_cannot_have_one_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "obstacles", lambda _: ["programs are missing", "only root can"])
    with pytest.raises(Unfit, match="programs are missing"):
        made(tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_a_second_lab_in_the_same_place_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "lab")
    with pytest.raises(estate.Missing, match="there is a lab in"):
        made(tmp_path / "lab")


def test_a_directory_that_nodes_have_their_own_of_is_refused() -> None:
    with pytest.raises(Unfit, match="/var/tmp/lab is within /etc, /opt, /srv, /var"):
        made(Path("/var/tmp/lab"))
