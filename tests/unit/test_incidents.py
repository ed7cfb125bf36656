"""What is kept of incidents, and what people see of them."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

import prefork.cli
import prefork.cli.asking
from prefork import incidents
from prefork.cli.incidents import LATEST
from prefork.incidents import KEPT, Incident, Ledger, new_id
from prefork.views.incidents import curve, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = {"method": "GET", "target": "/report", "client": "10.0.0.7", "id": "abc-7", "attempt": 1, "tag": "invoice 12"}
EXAMPLE = Incident(
    id="0a1b2c3d",
    time=1_790_000_000.5,
    node="app1",
    worker="http.3",
    pool="http",
    pid=4242,
    generation=2,
    cause="limit_memory_hard",
    reason="it uses 780 MiB of memory, limit_memory_hard allows 768 MiB",
    advice="Have it work in smaller batches or stream its data; or raise limit_memory_hard, if there is the memory.",
    status=503,
    request=REQUEST,
    elapsed=12.345,
    cpu=11.2,
    memory=780 << 20,
    curve=[(-2.0, 100 << 20), (-1.0, 400 << 20), (0.0, 780 << 20)],
    children=[{"pid": 4300, "name": "wkhtmltopdf", "memory": 90 << 20}],
    stacks='Current thread 0x1 (most recent call first):\n  File "/srv/report.py", line 7 in totals\n',
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(prefork.cli.main, ["incidents", *arguments], env={"COLUMNS": "80"})


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reader's time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestLedger:
    def test_what_is_added_is_read_in_order(self, ledger: Ledger) -> None:
        kept = [replace(EXAMPLE, id=new_id()) for _ in range(3)]
        for each in kept:
            ledger.add(each)
        found = list(ledger.read())
        assert [each.id for each in found] == [each.id for each in kept]
        assert json.loads(found[0].as_json()) == json.loads(kept[0].as_json())
        assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600

    def test_no_file_is_no_incident(self, ledger: Ledger) -> None:
        assert list(ledger.read()) == []

    def test_no_directory_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            list(Ledger(tmp_path / "none").read())

    def test_a_new_file_has_its_name_when_its_readers_may_read_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A console of another account looks at any moment."""
        ledger, seen = Ledger(tmp_path, readers=os.getgid()), []

        def fchmod(descriptor: int, mode: int) -> None:
            seen.append(ledger.path.exists())
            os.chmod(descriptor, mode)

        monkeypatch.setattr(incidents.os, "fchmod", fchmod)
        for _ in range(2):
            ledger.add(EXAMPLE)
        assert seen == [False, True]
        assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o640
        assert [each.id for each in ledger.read()] == [EXAMPLE.id] * 2
        assert os.listdir(tmp_path) == [ledger.path.name]

    def test_the_oldest_of_several_files_are_given_up(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(incidents, "LARGEST", 3 * len(EXAMPLE.as_json()))
        names = [f"{number:08}" for number in range(40)]
        for name in names:
            ledger.add(replace(EXAMPLE, id=name))
        found = [each.id for each in ledger.read()]
        assert found == names[-len(found) :]
        assert 3 * KEPT <= len(found) <= 5 * (KEPT + 1)
        files = sorted(ledger.path.parent.iterdir())
        assert len(files) == KEPT + 1
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    @pytest.mark.parametrize("broken", [b'{"id": "cut', b"[]\n", b"{}\n", b"\xff\xfe\n", b"null\n", b"\n"])
    def test_what_is_no_incident_is_passed_over_and_takes_no_other_with_it(self, ledger: Ledger, broken: bytes) -> None:
        ledger.add(EXAMPLE)
        with ledger.path.open("ab") as file:
            file.write(broken)
        ledger.add(replace(EXAMPLE, id="11111111"))
        assert [each.id for each in ledger.read()] == [EXAMPLE.id, "11111111"]

    def test_a_disk_that_takes_a_part_only(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = os.write
        monkeypatch.setattr(incidents.os, "write", lambda descriptor, data: whole(descriptor, data[:100]))
        with pytest.raises(OSError) as caught:
            ledger.add(EXAMPLE)
        assert caught.value.errno == errno.ENOSPC
        monkeypatch.undo()
        ledger.add(EXAMPLE)
        assert len(list(ledger.read())) == 1

    def test_the_latest_are_those_since_a_time_as_far_as_the_file_is_looked_at(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert ledger.latest(0.0) == []
        for number in range(10):
            ledger.add(replace(EXAMPLE, id=str(number), time=float(number)))
        assert [each.id for each in ledger.latest(6.0)] == ["7", "8", "9"]
        line = len(EXAMPLE.as_json())
        monkeypatch.setattr("prefork.incidents.LATEST", 2 * line + line // 2)
        assert [each.id for each in ledger.latest(0.0)] == ["8", "9"], "one that is cut is passed over"
        os.utime(ledger.path, (5.0, 5.0))
        assert ledger.latest(6.0) == [], "nothing has been written since"

    def test_names_do_not_repeat(self) -> None:
        assert len({new_id() for _ in range(1000)}) == 1000


class TestCommand:
    def test_the_list(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.add(EXAMPLE)
        long: dict[str, Any] = REQUEST | {"target": "/" + "x" * 300}
        ledger.add(replace(EXAMPLE, id="11111111", worker="http.512", request=long))
        ledger.add(replace(EXAMPLE, id="22222222", cause="boot", request=None))
        piped = run("--data-dir", str(tmp_path)).stdout.splitlines()
        assert piped[0] == "ID        TIME            WORKER    CAUSE              WORK"
        assert piped[1] == "0a1b2c3d  09-21 14:13:20  http.3    limit_memory_hard  GET /report"
        assert piped[2].endswith("GET /" + "x" * 300)
        assert piped[3] == "22222222  09-21 14:13:20  http.3    boot               -"

    def test_on_a_terminal_it_fits_80_columns(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ledger.add(replace(EXAMPLE, request=REQUEST | {"target": "/" + "x" * 300}))
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        prefork.cli.main(["incidents", "--data-dir", str(tmp_path)], standalone_mode=False)
        lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
        assert [len(line) for line in lines] == [57, 80]
        assert lines[1].endswith("GET /xxxxxxxxxxxxxxxxxxxxx…")

    def test_the_list_has_the_latest(self, ledger: Ledger, tmp_path: Path) -> None:
        for number in range(LATEST + 5):
            ledger.add(replace(EXAMPLE, id=f"{number:08}"))
        lines = run("--data-dir", str(tmp_path)).stdout.splitlines()
        assert lines[0] == f"The latest {LATEST} of {LATEST + 5}; with --json all are printed."
        assert len(lines) == 2 + LATEST
        assert lines[-1].startswith(f"{LATEST + 4:08}")

    @pytest.mark.parametrize("name", [EXAMPLE.id, REQUEST["id"]])
    def test_one_with_everything(self, ledger: Ledger, tmp_path: Path, name: str) -> None:
        ledger.add(replace(EXAMPLE, id="99999999", request=None))
        ledger.add(EXAMPLE)
        output = run(name, "--data-dir", str(tmp_path)).stdout
        assert [line.rstrip() for line in output.splitlines()] == [
            "0a1b2c3d  2026-09-21 14:13:20 on app1",
            "http.3 (pid 4242, generation 2): it uses 780 MiB of memory, limit_memory_hard allows 768 MiB",
            "",
            "Request     GET /report",
            "Client      10.0.0.7, request id abc-7",
            "Tag         invoice 12",
            "Answered    503",
            "Ran for     12.35 s, 11.20 s of processor time",
            "Memory      780 MiB",
            "Last 2 s    ▂▅█  100 MiB to 780 MiB",
            "What to do  Have it work in smaller batches or stream its data; or raise",
            "            limit_memory_hard, if there is the memory.",
            "",
            "Processes below it",
            "  4300  wkhtmltopdf  90 MiB",
            "",
            "What it was doing",
            "Current thread 0x1 (most recent call first):",
            '  File "/srv/report.py", line 7 in totals',
        ]

    def test_all_attempts_of_a_request(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.add(replace(EXAMPLE, id="11111111", status=None))
        ledger.add(replace(EXAMPLE, id="22222222", request=REQUEST | {"attempt": 2}))
        output = run("abc-7", "--data-dir", str(tmp_path)).stdout
        assert output.index("11111111") < output.index("22222222")
        assert "by another worker, or not at all" in output
        assert "Attempt     2;" in output

    def test_what_is_not_known_is_not_shown(self, ledger: Ledger, tmp_path: Path) -> None:
        bare = replace(
            EXAMPLE, request=None, status=None, elapsed=None, cpu=None, memory=None, curve=[], children=[], stacks="", cause="boot"
        )
        ledger.add(bare)
        output = run(EXAMPLE.id, "--data-dir", str(tmp_path)).stdout
        assert "None" not in output
        assert "Request" not in output

    def test_memory_that_never_changed_has_one_figure(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.add(replace(EXAMPLE, curve=[(-1.0, 6 << 20), (0.0, 6 << 20)]))
        assert re.search(r"Last 1 s +██  6 MiB +\n", run(EXAMPLE.id, "--data-dir", str(tmp_path)).stdout)

    def test_the_path_of_a_frame_is_never_broken(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        frame = f'  File "/srv/{"x/" * 50}report.py", line 7 in totals'
        ledger.add(replace(EXAMPLE, stacks=f"Thread 0x1:\n{frame}\n"))
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        prefork.cli.main(["incidents", EXAMPLE.id, "--data-dir", str(tmp_path)], standalone_mode=False)
        assert frame in capsys.readouterr().out.splitlines()

    def test_json(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.add(EXAMPLE)
        ledger.add(replace(EXAMPLE, id="11111111"))
        said = [json.loads(line) for line in run("--json", "--data-dir", str(tmp_path)).stdout.splitlines()]
        assert [each["id"] for each in said] == [EXAMPLE.id, "11111111"]
        assert said[0]["request"] == REQUEST

    def test_what_others_have_said_does_nothing_to_the_terminal(self, ledger: Ledger, tmp_path: Path) -> None:
        evil = "\x1b[2J\x9b[red]\n\u202e"
        ledger.add(replace(EXAMPLE, request=REQUEST | {"target": evil, "tag": evil, "id": evil}, stacks=evil, node=evil))
        for output in (run("--data-dir", str(tmp_path)).stdout, run(EXAMPLE.id, "--data-dir", str(tmp_path)).stdout):
            assert not any(sign in output for sign in "\x1b\x9b\u202e")
            assert "\\x1b[2J\\x9b[red]\\n\\u202e" in output.replace("\n", "")

    def test_refusals_are_sentences(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for place, words in [("none", "no such file or directory"), ("file", "not a directory")]:
            result = run("--data-dir", str(tmp_path / place))
            assert result.exit_code == 1
            assert result.stderr == f"Error: the incidents in {tmp_path / place} cannot be read: {words}\n"
        result = run("12345678", "--data-dir", str(tmp_path))
        assert result.stderr == (
            f"Error: there is no incident 12345678 in {tmp_path}; `prefork incidents` lists those that are kept\n"
        )

    def test_no_incident_is_a_sentence(self, tmp_path: Path) -> None:
        assert run("--data-dir", str(tmp_path)).stdout == "No incident is kept: no worker has ended that was not asked to.\n"


def test_stacks_of_every_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = f'  File "/srv/{"x" * 100}.py", line 7 in \x1b[2J'
    workers = [{"worker": f"http.{n}", "pid": n, "state": "idle", "stacks": f"Thread {n}:\n{frame}\n"} for n in (1, 2)]
    monkeypatch.setattr(prefork.cli.asking, "ask", lambda *_: {"ok": True, "workers": workers})
    output = CliRunner().invoke(prefork.cli.main, ["stacks", "--data-dir", str(tmp_path)], env={"COLUMNS": "80"}).stdout
    shown = frame.replace("\x1b", "\\x1b")
    assert output == f"http.1 (pid 1): idle\nThread 1:\n{shown}\n\nhttp.2 (pid 2): idle\nThread 2:\n{shown}\n"


@pytest.mark.parametrize(("sizes", "bars"), [([0, 0], "▁▁"), ([1, 4, 8], "▂▅█"), ([7], "█")])
def test_curve(sizes: list[int], bars: str) -> None:
    assert curve(sizes) == bars


def test_plain() -> None:
    assert plain("café 発 \t\x00\ud800") == "café 発 \\t\\x00\\ud800"
