"""`prefork usage --range`: what has been recorded, as lines of bars."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prefork.cli import main
from prefork.instances import history, registry
from prefork.instances.database import NAME, Database
from prefork.usage.reading import Mark
from prefork.usage.sample import Sample
from prefork.views.past import WIDTH, bars, columns


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The data directory of a server that was half busy, and busy an hour ago."""
    now = time.time()
    with Database(tmp_path / NAME) as db:
        registry.keep_own(db, "shop", tmp_path)
        for back, share in ((7200, 50.0), (3600, 100.0), (600, 50.0)):
            figures = {"in_flight": share, "succeeded": 600, "waits": {40: 5}, "memory_most": 75 << 20}
            history.record(db, "default", Sample(at=now - back, seconds=300.0, configured=4, **figures))
        history.note(db, "default", [Mark(now - 3000, "reload", "generation 2\x1b[2J")])
    return tmp_path


def run(place: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["usage", "--data-dir", str(place), *arguments], env={"COLUMNS": "80"})


def test_a_line_for_each_figure_that_is_known(recorded: Path) -> None:
    lines = run(recorded, "--range", "24h").stdout.splitlines()
    names = [line[:14].strip() for line in lines[1:6]]
    assert names == ["In flight", "Waited, p95", "Answers", "Errors (5xx)", "Memory, most"]
    assert "█" in lines[1]
    assert lines[1].rstrip().endswith("100 %")
    assert lines[3].rstrip().endswith("2.0/s")
    assert lines[5].rstrip().endswith("75 MiB")
    assert lines[-1].endswith("reload: generation 2\\x1b[2J"), "nothing steers a terminal"
    assert all(len(line) <= 80 for line in lines)


def test_for_programs(recorded: Path) -> None:
    told = json.loads(run(recorded, "--range", "7d", "--json").stdout)
    assert (told["range"], told["resolution"]) == ("7d", 3600)
    assert sum(point["requests"]["2xx"] for point in told["points"]) == 1800
    assert [mark["kind"] for mark in told["marks"]] == ["reload"]


def test_where_nothing_was_recorded(tmp_path: Path) -> None:
    done = run(tmp_path, "--range", "24h")
    assert done.exit_code == 1
    assert f"nothing has been recorded in {tmp_path}: the console does that" in done.stderr
    with Database(tmp_path / NAME):
        pass
    assert "Nothing has been recorded in this time." in run(tmp_path, "--range", "24h").stdout
    assert "--range belongs to a server of ours" in run(tmp_path, "--range", "24h", "--pid", "1").stderr


def test_a_column_has_the_highest_value_of_its_time() -> None:
    found = columns([(0.0, 5.0), (0.5, 9.0), (WIDTH - 1.0, 3.0), (7.0, None)], 0.0, float(WIDTH))
    assert (found[0], found[1], found[7], found[-1]) == (9.0, None, None, 3.0)
    assert bars([None, 0.0, 50.0, 100.0], 100.0) == " ▁▅█"
