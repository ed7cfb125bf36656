"""What `prefork lab` says where there is nothing to do or no way to do it; nothing here starts a node."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prefork.cli import lab, main
from prefork.lab import account, packages
from prefork.lab.probes import Condition, State


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is said in this process, whoever runs it."""
    monkeypatch.setattr(account, "way_in", lambda _: [])


def said(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["lab", *map(str, arguments)])


@pytest.mark.parametrize("verb", [("status",), ("kill", "db1"), ("start", "db1"), ("cut", "db1", "db2"), ("heal",), ("load",)])
def test_without_a_lab_a_verb_says_how_to_make_one(verb: tuple[str, ...], tmp_path: Path) -> None:
    result = said(*verb, "--dir", tmp_path)
    assert (result.exit_code, "there is no lab in" in result.output) == (1, True)
    assert "prefork lab up" in result.output


def test_an_odoo_that_is_none_is_refused_with_a_sentence(tmp_path: Path) -> None:
    where = ("up", "--dir", tmp_path / "lab")
    result = said(*where, "--odoo", tmp_path, "--python", sys.executable)
    assert (result.exit_code, "does not hold Odoo" in result.output) == (1, True)
    release = tmp_path / "odoo" / "release.py"
    release.parent.mkdir()
    release.write_text("version_info = (18, 0, 0, FINAL, 0, '')\n")
    result = said(*where, "--odoo", tmp_path, "--python", tmp_path / "python")
    assert (result.exit_code, "is no interpreter that runs here" in result.output) == (1, True)
    result = said(*where, "--odoo", tmp_path)
    assert (result.exit_code, "belong together" in result.output) == (2, True)
    assert not (tmp_path / "lab").exists()


def test_taking_down_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert said("down", "--dir", tmp_path / "lab").exit_code == 0


@pytest.mark.parametrize(
    ("topology", "sentence"),
    [
        ("kubernetes", "this topology is for Kubernetes"),
        ("single", "this topology has one database"),
        ("nothing.toml", "cannot be read"),
    ],
)
def test_a_topology_that_cannot_be_run_is_refused(topology: str, sentence: str, tmp_path: Path) -> None:
    result = said("up", topology, "--dir", tmp_path / "lab")
    assert (result.exit_code, sentence in result.output) == (1, True)
    assert not (tmp_path / "lab").exists()


def test_what_the_machine_lacks_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SEARCHED", "/nowhere")
    result = said("up", "--dir", tmp_path / "lab")
    assert (result.exit_code, "RUNLEVEL=1 apt-get install etcd-server" in result.output) == (1, True)
    assert not (tmp_path / "lab").exists()


def test_who_is_not_root_says_it_again_in_a_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "way_in", lambda _: ["enter"])
    monkeypatch.setattr("subprocess.call", lambda command: again.append(command) or 3)
    again: list[list[str]] = []
    assert said("up", "--asynchronous", "--dir", tmp_path).exit_code == 3
    assert again == [["enter", lab.programs()[1], "lab", "up", "--asynchronous", "--dir", str(tmp_path)]]


def test_a_node_is_drawn_with_what_there_is_to_say() -> None:
    states = (
        State("etcd", well=True),
        State("patroni", well=True, word="primary"),
        State("prefork", well=False, word="cron not ready"),
    )
    condition = Condition("db1", up=True, services=states)
    assert lab.runs(condition) == "etcd, patroni (primary), prefork"
    assert lab.state(condition) == "[yellow]prefork: cron not ready[/yellow]"
    assert lab.state(Condition("db1", up=False)) == "[red]down[/red]"
