"""The tuning audit of a real server: what it writes, and what it leaves as it was."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.process.conftest import running

from prefork import cli
from prefork.config.quantities import GIB, MIB
from prefork.doctor import audit, stress
from prefork.doctor.audit import Strain
from prefork.doctor.evidence import Conf, Machine
from prefork.doctor.probes import conf
from prefork.doctor.stress import Round

HARD = 64 * MIB  # so that a test takes little of the machine's memory


def made(*words: object) -> tuple[int, str]:
    said = CliRunner().invoke(cli.main, ["doctor", *map(str, words)])
    return said.exit_code, said.output


def test_the_audit_measures_advises_and_takes_nothing_for_good(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    limits = {"limit_memory_hard": HARD, "limit_memory_soft": HARD * 8 // 10}
    with running(workers=3, **limits) as server:
        about = ["-c", server.configuration, "--url", server.url, "--stress", report, "--seconds", "0.2"]
        assert made(*about)[0] == 0
        assert server.status()["wanted"] == 3
    text = report.read_text()
    for title in ("Before: 3 workers", "Memory against the limits", "The configuration", "limit_memory_soft = ", "After: "):
        assert title in text
    rates = [int(each) for each in re.findall(r"<td>(\d+)</td><td>[\d.]+ ms", text)]
    assert len(rates) in {4, 7}
    assert all(rates)
    assert "192 MiB" in text
    assert "://" not in text.replace(server.url, ""), "one file that needs nothing else"


@pytest.mark.parametrize("url", ["https://127.0.0.1:8069", "http://192.0.2.1:8069"])
def test_only_this_machine_is_strained(url: str) -> None:
    with pytest.raises(audit.Unfit, match="is not on this machine"):
        audit.target(url)


def test_only_a_server_that_runs_with_the_file_is_strained(tmp_path: Path) -> None:
    (tmp_path / "prefork.conf").write_text("[options]\napp = a:b\n")
    status, said = made("-c", tmp_path / "prefork.conf", "--url", "http://127.0.0.1:1", "--stress", tmp_path / "report.html")
    assert (status, "no server runs at" in said) == (1, True)
    assert made("--stress", tmp_path / "report.html")[0] == 2


def test_never_more_than_half_of_the_available_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefork.conf").write_text("[options]\napp = a:b\nlimit_memory_hard = 1G\nlimit_memory_soft = 800M\n")
    found = conf.read(tmp_path / "prefork.conf", own=True)
    assert isinstance(found, Conf)
    monkeypatch.setattr(stress, "load", lambda *_: Round(4, 1.0, 10, 0, 0.1, 0.2))
    strain = audit.strained(audit.target("http://127.0.0.1:1"), found, Machine(2, 4 * GIB, available=100 * MIB), 4, 0.1)
    assert (strain.wanted, strain.taken, strain.held, strain.fits) == (4 * GIB, 50 * MIB, True, False)
    assert Strain(MIB, MIB, True, Round(1, 1.0, 1, 0, 0.1, 0.1)).fits
