"""`prefork jobs`: what there is, one job with everything about it, and what has been done. Readable in 80 columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

STYLES = {"done": "green", "failed": "red", "lost": "yellow", "running": "cyan", "paused": "dim", "removed": "dim"}
COUNTED = 100  # what a list says of a job that at least so many runs wait of
Row = dict[str, Any]


def listing(jobs: Sequence[Row], now: datetime) -> Table:
    """One line for each job."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("JOB", overflow="fold", ratio=1)
    for heading in ("SCHEDULE", "NEXT", "LAST"):
        table.add_column(heading, no_wrap=True)
    table.add_column("STATE", overflow="fold")
    for job in jobs:
        word = state(job)
        cells = [job["name"], job["schedule"] or "deferred", when(following(job), now), last(job, now)]
        table.add_row(*map(Text, cells), Text(word, style=STYLES.get(word.split()[0], "")))
    return table


def details(job: Row, running: Sequence[Row], history: Sequence[Row], now: datetime) -> Iterator[RenderableType]:
    """Everything about one job, and how it fared lately."""
    yield Text(job["name"], style="bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts(job, running, now):
        table.add_row(name, Text(text))
    yield table
    if history:
        yield ""
        yield past(history, now)
    failed = next((row for row in history if row["outcome"] != "done"), None)
    if failed and failed["error"]:
        yield ""
        yield Text(f"Run {failed['run']}, attempt {failed['attempt']}:", style="dim")
        yield Text(failed["error"].rstrip())


def facts(job: Row, running: Sequence[Row], now: datetime) -> Iterator[tuple[str, str]]:
    """What is known of a job, in words."""
    yield "State", state(job, counted=None)
    yield "Schedule", f"{job['schedule']} ({job['tz']})" if job["schedule"] else "runs when it is deferred"
    if job["present"] and job["due_at"]:
        yield "Next", f"{job['due_at'].astimezone():%Y-%m-%d %H:%M:%S} ({when(job['due_at'], now)})"
    yield "If missed", "runs once" if job["misfire"] == "once" else "is skipped"
    yield "Priority", f"{job['priority']}, retries {job['retries']}"
    if job["arguments"] != {"args": [], "kwargs": {}}:
        yield "Arguments", json.dumps(job["arguments"])
    if job["failures"]:
        yield "Failures", f"{job['failures']} in a row, since {job['first_failed_at'].astimezone():%Y-%m-%d %H:%M:%S}"
    for run in running:
        yield "Running", under_way(run, now)


def under_way(run: Row, now: datetime) -> str:
    """Who does a run, for how long, and how far it has come."""
    since = span((now - run["claimed_at"]).total_seconds())
    progress = "" if run["done"] is None else f", {run['done']} done, {run['remaining']} left"
    return f"run {run['run']} in {run['worker']} (pid {run['pid']}) for {since}{progress}"


def past(history: Sequence[Row], now: datetime) -> Table:
    """One line for each attempt."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("RUN", justify="right", no_wrap=True)
    table.add_column("JOB", overflow="fold", ratio=1)
    for heading in ("ENDED", "OUTCOME", "TOOK", "CPU", "PEAK", "WORKER"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in {"TOOK", "CPU", "PEAK"} else "left")
    for row in history:
        number = str(row["run"]) + (f"/{row['attempt']}" if row["attempt"] > 1 else "")
        took, cpu = ("" if row[key] is None else span(row[key]) for key in ("seconds", "cpu"))
        peak = "" if row["memory"] is None else f"{row['memory'] / (1 << 20):.0f} MiB"
        outcome = Text(row["outcome"], style=STYLES[row["outcome"]])
        table.add_row(number, Text(row["job"]), when(row["ended_at"], now), outcome, took, cpu, peak, Text(row["worker"] or ""))
    return table


def following(job: Row) -> datetime | None:
    """When a job is due next: one that rests, or that no node has any more, is not."""
    due: datetime | None = job["due_at"] if job["active"] and job["present"] else None
    return due


def state(job: Row, counted: int | None = COUNTED) -> str:
    """What a job is doing, in a word or two. What waits was counted so far, or all of it."""
    if not job["present"] and not job["running"]:
        return "removed"
    if not job["active"]:
        return "paused" if job["remark"] in {None, "paused"} else f"paused: {job['remark']}"
    if job["running"]:
        return f"running {job['running']}" if job["running"] > 1 else "running"
    if job["failures"]:
        return f"failed {job['failures']} times"
    more = "+" if counted is not None and job["waiting"] >= counted else ""
    return f"{job['waiting']}{more} waiting" if job["waiting"] else "idle"


def last(job: Row, now: datetime) -> str:
    """How its last run ended."""
    return f"{job['outcome']} {when(job['ended_at'], now)}" if job["outcome"] else "never"


def when(moment: datetime | None, now: datetime) -> str:
    """How far away a time is."""
    if moment is None:
        return "-"
    seconds = (moment - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def span(seconds: float) -> str:
    """A duration in its largest unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def as_json(value: object) -> str:
    """Rows as one line of JSON; times in UTC."""
    return json.dumps(value, default=lambda moment: moment.astimezone(UTC).isoformat())
