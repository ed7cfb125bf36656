"""Ten million rows of ended jobs, of messages and of usage, while servers delete what is too old: how long each statement takes."""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import psycopg
from tests.conftest import ROOT
from tests.lab.page import table
from tests.lab.questions import QUESTIONS, ROWS, RUN, Question
from tests.lab.rig import Rig, rigged, tell, timed
from tests.lab.samples import Asked, asked, fill

from prefork.instances.database import Database
from prefork.render.topology import shipped

FILLING = (ROOT / "tests" / "lab" / "filling.sql").read_text()
SERVERS = ("cron1", "websocket1")  # who deletes what is too old, at its start and then all the time
TURNS = 20
PROMISED = 10.0  # milliseconds
HEAD = ["statement", "fastest", "median", "pages", "finds its rows by"]


def run(place: Path) -> tuple[str, list[str]]:
    """Both databases filled, and every statement asked."""
    place.mkdir()
    db, samples = fill(place / "console.sqlite", ROWS)
    tell(f"{samples} samples in the console's file")
    with db:
        kept = [filed(db, each) for each in asked(time.time())]
    (place / "console.sqlite").unlink()
    topology = shipped("enterprise").replace("websocket_workers = 2", f"websocket_workers = 2, bus_retention_count = {ROWS}")
    with rigged(place / "lab", topology=topology) as rig:
        rig.kill(*SERVERS)
        took = timed(lambda: rig.sql(f"\\set rows {ROWS}\n{FILLING}"))
        tell(f"filled in {took:.0f} s")
        rig.start(*SERVERS)
        rig.await_well()
        before = counted(rig)
        with rig.load() as load:
            rows = measured(rig)
            account = load.stop()
        gone = [was - is_ for was, is_ in zip(before, counted(rig), strict=True)]
    slow = [f"{row[0]}: {row[1]}" for row in (*rows, *kept) if float(row[1].removesuffix(" ms")) > PROMISED]
    text = (
        f"{ROWS:,} ended runs of a month, {ROWS:,} messages of a day, 100,000 runs for later, 200,000 sessions; in the console's "
        f"file {samples:,} samples. Orders go on meanwhile ({account.acknowledged}), and the servers deleted {gone[0]:,} runs "
        f"and {gone[1]:,} messages that were too old. A statement is asked {TURNS} times by way of PgBouncer as a worker asks it, "
        f"and undone: its commit, which waits for disks, is not in it. The fastest time is what a statement takes by itself; in "
        f"the median is also what else the machine had to do.\n\n{table(HEAD, [*rows, *kept])}"
    )
    return text, slow


def counted(rig: Rig) -> tuple[int, int]:
    """How many of the rows that were filled in are still there, of runs and of messages."""
    runs, messages = rig.sql(
        f"SELECT (SELECT count(*) FROM prefork.history WHERE run < 0), "
        f"(SELECT count(*) FROM prefork.messages WHERE position <= {ROWS})"
    ).split("|")
    return int(runs), int(messages)


def measured(rig: Rig) -> list[list[str]]:
    """A row for each statement of the store."""
    pooler = rig.estate.node(rig.holder("pooler")).address
    dsn = f"host={pooler} port=6432 dbname=odoo user=odoo password={rig.estate.secrets['site']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        there = "SELECT count(*) FROM prefork.runs WHERE id = %s AND state = 'running'"
        assert connection.execute(there, [RUN["id"]]).fetchone() == (1,)
        return [stored(connection, each) for each in QUESTIONS]


def stored(connection: psycopg.Connection, question: Question) -> list[str]:
    """A row: how long a statement of the store takes, and by which plan."""
    took = [turn(connection, question) for _ in range(TURNS)]
    pages, ways = plan(connection, question)
    return row(question.title, took, pages, ways)


def turn(connection: psycopg.Connection, question: Question) -> float:
    """Seconds of one time, with what a commit does besides being written."""
    text, prepare = question.text, False if question.title.startswith("bus `read`") else None  # as store/bus.py has it
    with connection.transaction(force_rollback=True):
        began = time.perf_counter()
        connection.execute(text, question.values, prepare=prepare)
        if question.room == "bus":
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return time.perf_counter() - began


def plan(connection: psycopg.Connection, question: Question) -> tuple[str, set[str]]:
    """How many pages a statement touches, and the indexes and tables by which it finds its rows."""
    if question.name == "listen":
        return "", set()
    with connection.transaction(force_rollback=True):
        explained = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + question.text
        found = connection.execute(explained, question.values).fetchone()
    assert found
    (top,) = found[0] if isinstance(found[0], list) else json.loads(found[0])
    pages = top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"]
    return str(pages), set(ways(top["Plan"]))


def ways(node: dict[str, Any]) -> list[str]:
    """By which indexes a plan reads, and which tables it reads whole."""
    found = [node["Index Name"]] if "Index Name" in node else []
    found += [f"all of {node['Relation Name']}"] if node["Node Type"] == "Seq Scan" else []
    found += [f"{node['Function Name']}()"] if node["Node Type"] == "Function Scan" else []
    return found + [each for inner in node.get("Plans", ()) for each in ways(inner)]


def filed(db: Database, each: Asked) -> list[str]:
    """A row: the same of a statement in the console's file."""
    took = []
    for _ in range(TURNS):
        db.change("BEGIN")
        began = time.perf_counter()
        db.rows(each.text, *each.values)
        took.append(time.perf_counter() - began)
        db.change("ROLLBACK")
    said = [str(found["detail"]) for found in db.rows(f"EXPLAIN QUERY PLAN {each.text}", *each.values)]
    return row(f"usage, {each.title}", took, "", {"primary key" if "PRIMARY KEY" in line else line.lower() for line in said})


def row(title: str, took: list[float], pages: str, ways: set[str]) -> list[str]:
    """A line of the table."""
    fastest, median = min(took) * 1000, statistics.median(took) * 1000
    return [title, f"{fastest:.1f} ms", f"{median:.1f} ms", pages, ", ".join(sorted(ways))]
