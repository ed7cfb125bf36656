"""Thousands of jobs on two nodes, while workers are killed and the database restarts: all are done, none twice in secret."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from facts import await_fact
from tests.applications.postgres import Postgres

from prefork.store import schema
from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
FILL = """
INSERT INTO prefork.runs (job, priority, arguments)
SELECT 'mill.grind', 5, jsonb_build_object('args', jsonb_build_array(number), 'kwargs', '{}'::jsonb)
FROM generate_series(1, %s) AS number
RETURNING (arguments->'args'->0)::int, id
"""


class Size(NamedTuple):
    """How many jobs there are, and how often after how many more of them a worker is killed: of all jobs, about once a second.

    Some are left over, so that there are jobs to be killed in however slow we are.
    """

    jobs: int
    harvest: int
    kills: int


SHORT, FULL = Size(480, 60, 3), Size(10_000, 160, 60)


class Mill:
    """Two nodes with two workers each, the database that they share, and the run of each number."""

    def __init__(self, postgres: Postgres, done: Path, nodes: list[Server], runs: dict[int, int]) -> None:
        self.postgres = postgres
        self.done = done
        self.nodes = nodes
        self.runs = runs

    def count(self) -> int:
        """How many times a job was done."""
        return self.done.read_bytes().count(b"\n") if self.done.exists() else 0

    def lines(self) -> list[tuple[int, str]]:
        """The number of each, and what it has seen."""
        return [(int(number), seen) for number, seen in map(str.split, self.done.read_text().splitlines())]

    def kill(self, turn: int) -> None:
        """Kill a worker in its job, of one node and the other in turns."""
        node = self.nodes[turn % 2]
        victims: list[int] = []

        def found() -> bool:
            victims.extend(worker["pid"] for worker in node.status()["workers"] if worker["job"])
            return bool(victims)

        await_fact(found, "a worker in a job", node)
        os.kill(victims[turn // 2 % len(victims)], signal.SIGKILL)

    def outcomes(self, outcome: str) -> Counter[int]:
        """How often runs ended so."""
        query = "SELECT run, count(*) FROM prefork.history WHERE outcome = %s GROUP BY run"
        with psycopg.connect(self.postgres.uri + "mill") as connection:
            return Counter(dict(connection.execute(query, [outcome]).fetchall()))


@contextmanager
def mill(place: Path, jobs: int) -> Iterator[Mill]:
    done = place / "done"
    postgres = Postgres(Path(sys.prefix), place / "postgres")
    postgres.create()
    with postgres:
        postgres.make_database("mill")
        dsn = postgres.uri + "mill"
        with psycopg.connect(dsn, autocommit=True) as connection:
            schema.prepare(connection)
            runs = dict(connection.execute(FILL, [jobs]).fetchall())
        given = {"jobs": "mill", "store_dsn": dsn, "max_cron_threads": 2, "after_fork": "eager:after_fork"}
        options = {**given, "http_enable": False, "access_log": False}
        first, second = (Server(None, app_dir=APPS, env={"MILL": str(done)}, **options) for _ in range(2))
        with first, second:
            yield Mill(postgres, done, [first, second], runs)


@pytest.mark.story
@pytest.mark.timeout(900)
def test_kills_and_a_restart_of_the_database_lose_no_job_and_repeat_none_in_secret(
    tmp_path: Path, full: bool, record_property: Callable[[str, object], None]
) -> None:
    size = FULL if full else SHORT
    with mill(tmp_path, size.jobs) as mills:
        for turn in range(size.kills):
            await_fact(lambda wanted=turn + 1: mills.count() >= wanted * size.harvest, "so many done", mills.nodes[0])
            mills.kill(turn)
            if turn == size.kills // 2:
                mills.postgres.restart()
        await_fact(lambda: mills.outcomes("done").total() == size.jobs, "all known to be done", mills.nodes[0])
        times, lost = Counter(number for number, _ in mills.lines()), mills.outcomes("lost")
        assert set(times) == set(mills.runs)
        assert [number for number, run in mills.runs.items() if times[number] > 1 + lost[run]] == []
        assert mills.outcomes("failed") == Counter()
        seen = Counter(each for _, each in mills.lines() if each not in "-?")
        assert seen
        assert {each.partition(":")[2] for each in seen} == {"0"}, "no transaction is open during a job"
        assert {each.partition(":")[0] for each in seen} <= {"1", "2"}, "it has one connection, and one for its lease"
        figures = {"jobs": size.jobs, "kills": size.kills, "lost": lost.total(), "repeated": times.total() - size.jobs}
        for name, figure in {**figures, "looks": seen.total()}.items():
            record_property(name, figure)
