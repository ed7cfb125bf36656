"""What `prefork advise` and `prefork simulate` show: the number, what its neighbours would be like, what binds, how sure it is.

Readable in 80 columns; nothing is said by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from prefork.limits import mebibytes
from prefork.sizing.advice import SHARE, TWO
from prefork.sizing.bounds import allowed
from prefork.sizing.simulate import quantile
from prefork.views.status import rough

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from prefork.sizing.advice import Advice, Question
    from prefork.sizing.bounds import Cap
    from prefork.sizing.recording import Recording
    from prefork.sizing.simulate import Outcome, Place

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
NOTE = 11  # columns
BAR = 6  # columns for all of the workers' time
NAMES = {
    "target": "the target",
    "cpu": "the processors",
    "memory": "memory",
    "plan": "the plan",
    "database": "the database",
    "workers_max": "workers_max",
}
LABELS = {"memory": "Memory", "plan": "Plan", "database": "Database", "workers_max": "At most"}
OVER = {"memory": "over memory", "plan": "over plan", "database": "over conns", "workers_max": "over max"}
COLOURS = {"high": "green", "fair": "yellow", "low": "red"}


def answer(advice: Advice, question: Question) -> dict[str, Any]:
    """The advice for programs. Times in seconds, memory in bytes."""
    return {
        "workers": advice.workers,
        "now": question.place.workers,
        "binding": advice.binding,
        "needed": advice.need.workers if advice.need.met else None,
        "target": {"p95": question.target},
        "rows": [
            {**told(row.outcome), "memory": row.memory, "allowed": row.outcome.workers <= most(question)} for row in advice.rows
        ],
        "sure": {"level": advice.sure.level, "reasons": list(advice.sure.reasons)},
        "bounds": {cap.what: {"workers": cap.workers, "why": cap.why} for cap in question.caps},
        "cpus": question.place.cpus,
        "cpus_needed": advice.cpus,
        "recorded": about(question.recording),
    }


def replayed(outcomes: Sequence[Outcome], recorded: Recording, place: Place, arrivals: float) -> dict[str, Any]:
    """A simulation for programs."""
    return {"arrivals": arrivals, "cpus": place.cpus, "recorded": about(recorded), "rows": [told(each) for each in outcomes]}


def about(recording: Recording) -> dict[str, Any]:
    """What the requests were."""
    return {
        "requests": len(recording.work),
        "seconds": round(recording.seconds, 1),
        "busy_workers": round(recording.load, 3),
        "busy_cpus": round(recording.processors, 3),
        "workers": list(recording.workers),
        "lost": recording.lost,
        "wait": {name: round(quantile(sorted(recording.waits), share), 6) for name, share in SHARES.items()},
    }


def told(outcome: Outcome) -> dict[str, Any]:
    """One number of workers."""
    return {
        "workers": outcome.workers,
        "wait": {name: round(outcome.wait(share), 6) for name, share in SHARES.items()},
        "answer": {name: round(outcome.answer(share), 6) for name, share in SHARES.items()},
        "busy": round(outcome.busy, 4),
        "computing": round(outcome.computing, 4),
        "lost": outcome.lost,
        "saturated": outcome.saturated,
    }


def most(question: Question) -> float:
    """What all bounds allow."""
    return min((allowed(cap) for cap in question.caps), default=float("inf"))


def screen(advice: Advice, question: Question) -> Iterator[RenderableType]:
    """The advice, from top to bottom."""
    yield heading(advice, question)
    yield Text(f"  {traffic(question.recording)}", style="dim")
    yield ""
    table = columns(memory=question.each is not None)
    for row in advice.rows:
        memory = [mebibytes(row.memory)] if row.memory is not None else []
        table.add_row(*cells(row.outcome, advice.workers, question.target), *memory, note(row.outcome, question))
    yield table
    yield ""
    yield reasons(advice, question)
    yield ""
    yield step(advice, question)


def heading(advice: Advice, question: Question) -> Text:
    """The number and what decided."""
    line = Text.assemble(("● ", "green" if advice.need.met else "yellow"), (counted(advice.workers), "bold"))
    line.append(f" · {NAMES[advice.binding]} {verb(advice.binding)}")
    line.append(f" · {SHARE:.0%} are to wait {short(question.target)} at the most")
    return line


def verb(binding: str) -> str:
    """One thing binds, several bind."""
    return "bind" if binding == "cpu" else "binds"


def traffic(recording: Recording) -> str:
    """What was recorded, in a line."""
    rate = len(recording.work) / recording.seconds if recording.seconds else 0.0
    busy = f"on average {recording.load:.1f} workers and {recording.processors:.1f} CPUs busy"
    return f"{len(recording.work):,} requests, {rate:.1f}/s for {recording.seconds / 60:.0f} min; {busy}"


def columns(*, memory: bool) -> Table:
    """An empty table of outcomes."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("  WORKERS", justify="right", no_wrap=True)
    for name in ("WAIT P50", "P95", "P99", "ANSWER"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("BUSY", no_wrap=True)
    for name in ("CPU", *(["MEMORY"] if memory else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=NOTE)
    return table


def cells(outcome: Outcome, chosen: int, target: float) -> list[Text]:
    """A number of workers: how long requests wait and take, and the share of the time that workers and processors are busy."""
    mark = outcome.workers == chosen
    style = "bold" if mark else ""
    found = [Text(f"{'▶ ' if mark else '  '}{outcome.workers:>7}", style=style)]
    for share in SHARES.values():
        wait = outcome.wait(share)
        colour = ("green" if wait <= target else "red") if share == SHARE else ""
        found.append(Text(short(wait), style=f"{style} {colour}".strip()))
    filled = round(BAR * min(1.0, outcome.busy))
    busy = Text.assemble(("━" * filled, "cyan"), ("╌" * (BAR - filled), "dim"), f"{outcome.busy:>5.0%}")
    return [*found, Text(short(outcome.answer(SHARE)), style=style), busy, Text(f"{outcome.computing:.0%}")]


def note(outcome: Outcome, question: Question) -> Text:
    """What is to be known of a number of workers."""
    cap = min(question.caps, key=allowed, default=None)
    if cap is not None and outcome.workers > allowed(cap):
        return Text(OVER[cap.what], style="dim")
    if outcome.saturated:
        return Text("saturated", style="red")
    return Text("now" if outcome.workers == question.place.workers else "", style="dim")


def reasons(advice: Advice, question: Question) -> Table:
    """What bounds the number, and how sure it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("Needed", needed(advice, question))
    for cap in question.caps:
        if cap.workers is not None:
            table.add_row(LABELS[cap.what], bound(cap))
    level = advice.sure.level
    table.add_row("Sure", Text.assemble((level, COLOURS[level]), f": {'; '.join(advice.sure.reasons)}"))
    return table


def needed(advice: Advice, question: Question) -> str:
    """How many workers keep the target, or why none do."""
    if advice.need.met and advice.need.workers < TWO:
        return "1 would do; with a second one a slow request holds up nobody"
    if advice.need.met:
        return f"{counted(advice.need.workers)} keep the target"
    enough = f"with {advice.cpus:g} CPUs it could" if advice.cpus else "more CPUs alone do not help either"
    return f"no number keeps the target: more than {advice.need.workers} only share {question.place.cpus:g} CPUs; {enough}"


def bound(cap: Cap) -> str:
    """The most that something allows, and why."""
    return f"{cap.workers} at the most ({cap.why})"


def step(advice: Advice, question: Question) -> Text:
    """What to do."""
    now = question.place.workers
    if any(cap.what == "workers_max" and cap.workers is not None for cap in question.caps):
        more = f"; set workers_max = {advice.need.workers}" if advice.binding == "workers_max" else ""
        return Text(f"The server finds the number itself, workers = auto{more}.")
    if advice.workers == now:
        return Text(f"{counted(now)} are right.", style="green")
    return Text.assemble(f"There are {now}. Try ", (f"prefork scale {advice.workers}", "cyan"), ", and set ",
                         (f"workers = {advice.workers}", "cyan"), " to keep it.")  # fmt: skip


def replay(outcomes: Sequence[Outcome], recorded: Recording, place: Place, arrivals: float) -> Iterator[RenderableType]:
    """A simulation, from top to bottom."""
    times = f" · {arrivals:g} times the arrivals" if arrivals != 1 else ""
    yield Text.assemble(("● ", "green"), ("replayed", "bold"), f" on {place.cpus:g} CPUs{times}")
    yield Text(f"  {traffic(recorded)}", style="dim")
    yield ""
    table = columns(memory=False)
    for outcome in outcomes:
        said = f"{outcome.lost:,} lost" if outcome.lost else "saturated" if outcome.saturated else ""
        table.add_row(*cells(outcome, 0, float("inf")), Text(said, style="red"))
    yield table


def short(seconds: float) -> str:
    """A duration in two digits or three."""
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}".removesuffix(".0") + " ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else rough(seconds)


def counted(workers: int) -> str:
    """So many of them."""
    return f"{workers} worker{'' if workers == 1 else 's'}"
