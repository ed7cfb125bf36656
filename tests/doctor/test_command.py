"""The command: what it prints, in how many columns, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prefork import cli

Ask = Callable[..., Result]
CONF = (
    "[options]\naddons_path = /opt\nworkers = {workers}\nadmin_passwd = top-secret\ndb_password = hush-hush\nlimit_time_cpu = 600\n"
)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def ask(workers: int, *flags: str) -> Result:
        (tmp_path / "odoo.conf").write_text(CONF.format(workers=workers))
        return CliRunner().invoke(cli.main, ["doctor", "-c", str(tmp_path / "odoo.conf"), *flags])

    return ask


def test_failures_come_first_and_passes_are_a_number(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = ask(0)
    assert said.exit_code == 1
    assert said.stdout.index("✗ threaded-mode") < said.stdout.index("! time-limits-ordered")
    assert "✓" not in said.stdout
    assert "passed" in said.stdout
    assert "--dsn" in said.stdout
    assert [line for line in said.stdout.splitlines() if len(line) > 80 and not line.startswith("    ")] == []
    assert [line for line in said.stdout.splitlines() if line != line.rstrip()] == []


def test_all_lists_what_has_passed(ask: Ask) -> None:
    said = ask(2, "--all").stdout
    assert "✓ threaded-mode  workers = 2" in said


def test_where_nothing_is_named_it_looks_at_the_file_that_every_command_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefork.conf").write_text("[options]\napp = shop:app\nlimit_time_real = 5\nlimit_time_cpu = 50\n")
    said = CliRunner().invoke(cli.main, ["doctor"])
    assert "time-limits-ordered" in said.stdout, said.output
    assert "limit_time_cpu" in said.stdout


def test_warnings_alone_are_no_failure(ask: Ask) -> None:
    assert ask(2).exit_code == 0


def test_json_is_a_list_of_verdicts(ask: Ask) -> None:
    told = json.loads(ask(0, "--json").stdout)
    assert {tuple(each) for each in told} == {("check", "verdict", "seen", "why", "fix")}
    assert {each["verdict"] for each in told} <= {"pass", "warn", "fail"}
    assert next(each for each in told if each["check"] == "threaded-mode")["fix"].startswith("workers = ")


def test_no_secret_of_the_file_is_shown(ask: Ask) -> None:
    for flags in ([], ["--json"], ["--all"]):
        said = ask(0, *flags)
        assert "top-secret" not in said.output
        assert "hush-hush" not in said.output


@pytest.mark.parametrize("flags", [["--url", "http://127.0.0.1:1"], ["--config", "/nowhere/odoo.conf"], ["--pid", "4194303"]])
def test_where_nothing_can_be_looked_at_the_status_says_so(flags: list[str]) -> None:
    said = CliRunner().invoke(cli.main, ["doctor", *flags, "--json"])
    assert said.exit_code == 2
    assert [each["verdict"] for each in json.loads(said.stdout) if each["verdict"] != "pass"] == ["fail"]
    assert "nothing could be looked at" in said.stderr


def test_what_a_site_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("server { listen 80; location / { proxy_pass http://\x1b[31mred; } }")
    said = CliRunner().invoke(cli.main, ["doctor", "--nginx", str(tmp_path / "nginx.conf")])
    assert said.exit_code == 1
    assert "\x1b" not in said.stdout
