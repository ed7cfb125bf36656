"""What was wanted of a report's figures, and whether they are so. Pure: rows in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from scenarios.proxied import WAYS
from scenarios.shapes import SHAPES
from scenarios.tail import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from report import Row

LENIENCY = 0.1  # the share of its bound by which a median may miss it before a whole run has failed
SIGNS = {"at least": "≥", "at most": "≤"}
COMPILED = "prefork-lent-compiled"
OURS = ("prefork", "prefork-lent", COMPILED)
KEPT = (("kill_kept", "kill -9, kept-alive"), ("reload_kept", "reload, kept-alive"), ("recycle_kept", "recycling, kept-alive"))
BETTER = ("granian", "uwsgi", "uwsgi-http11")
BEHIND = ("gunicorn-sync", "gunicorn-gthread", "uwsgi", "granian")
UVICORN = ("uvicorn",)
RIVALS = ("gunicorn-sync", "gunicorn-gthread", "uwsgi", "granian", "uvicorn", "bjoern")
SHAPED = ("gunicorn-gthread", "uwsgi-http11", "granian", "uvicorn", "bjoern")


@dataclass(frozen=True)
class Goal:
    """Of one column of a scenario: `ours` at least or at most `bound`, times the best of `theirs` where there are any, of which
    another column may count.
    """

    words: str
    scenario: str
    column: str
    sense: Literal["at least", "at most"]
    bound: float
    theirs: tuple[str, ...] = ()
    ours: str = "prefork"
    their_column: str = ""


GOALS = (
    *(
        goal
        for count in (16, 64)
        for goal in (
            Goal(
                f"hello, {count} kept-alive, requests/s, to Granian and uWSGI", "hello", f"rate_{count}", "at least", 1.15, BETTER
            ),
            *(
                goal
                for ours in OURS[1:]
                for goal in (
                    Goal(f"the same: {ours}", "hello", f"rate_{count}", "at least", 1.15, BETTER, ours),
                    Goal("its CPU", "hello", f"cpu_{count}", "at most", 1 / 1.15, BETTER, ours),
                )
            ),
            Goal(f"{COMPILED}, to bjoern", "hello", f"rate_{count}", "at least", 1.0, ("bjoern",), COMPILED),
            Goal(f"{COMPILED}, to a loop in C", "hello", f"rate_{count}", "at least", 0.5, ("c-echo",), COMPILED),
        )
    ),
    *(
        Goal(f"hello, new connections, requests/s, to uWSGI: {ours}", "hello", "rate_new", "at least", 1.0, ("uwsgi",), ours)
        for ours in OURS
    ),
    Goal(f"the same: {COMPILED}, to a loop in C", "hello", "rate_new", "at least", 0.9, ("c-echo",), COMPILED),
    *(
        Goal(f"{shape.words}, requests/s, to all: {ours}", "shapes", f"rate_{key}", "at least", 1.0, SHAPED, ours)
        for ours in OURS
        for key, shape in SHAPES.items()
    ),
    *(
        Goal(
            f"behind nginx, {words}, requests/s, to gunicorn, uWSGI and Granian: {ours}",
            "proxied",
            f"rate_{key}",
            "at least",
            1.0,
            BEHIND,
            ours,
        )
        for ours in ("prefork", "prefork-lent", "prefork-compiled", COMPILED)
        for key, words in WAYS.items()
    ),
    *(
        Goal(f"p99 beside a worker that {what}, ms: {ours}", "stranding", column, "at most", 3.0, ours=ours)
        for ours in OURS
        for column, what in (("p99", "is held"), ("burning_p99", "computes"))
    ),
    *(
        Goal(f"{POINTS[key][1]} among requests with a heavy tail, to all: {ours}", "tail", key, "at most", 1.0, RIVALS, ours)
        for ours in OURS
        for key in ("p99", "p999")
    ),
    *(
        Goal(f"errors, {words}: {ours}", scenario, "errors", "at most", 0.0, ours=ours)
        for ours in OURS
        for scenario, words in (("hello", "hello"), ("shapes", "other shapes"), ("proxied", "behind nginx"))
    ),
    *(
        Goal(f"failed requests, {words}: {ours}", "failures", column, "at most", 0.0, ours=ours)
        for ours in OURS
        for column, words in KEPT
    ),
    *(
        Goal(words, "memory", column, "at most", bound, ("gunicorn-preload",), their_column="collected_worker")
        for words, column, bound in (
            ("memory of a fresh worker, to gunicorn --preload after a collection", "fresh_worker", 0.45),
            ("the same after requests", "used_worker", 0.7),
        )
    ),
)

ASGI = (
    *(
        goal
        for ours in ("prefork-lent", COMPILED)
        for count in (16, 64)
        for goal in (
            Goal(
                f"hello, {count} kept-alive, requests/s, to uvicorn: {ours}",
                "hello",
                f"rate_{count}",
                "at least",
                1.0,
                UVICORN,
                ours,
            ),
            Goal("its CPU", "hello", f"cpu_{count}", "at most", 1.0, UVICORN, ours),
        )
    ),
    *(
        Goal(f"failed requests, {words}: {ours}", "failures", column, "at most", 0.0, ours=ours)
        for ours in OURS
        for column, words in KEPT
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What a goal's figure is; None where it was not measured."""

    goal: Goal
    found: float | None

    def met(self, leniency: float = 0.0) -> bool:
        """Whether it is as wanted, or misses that by this share of the bound at most."""
        if self.found is None:
            return False
        if self.goal.sense == "at least":
            return self.found >= self.goal.bound * (1 - leniency)
        return self.found <= self.goal.bound * (1 + leniency)

    def line(self) -> str:
        """A row of the table."""
        goal, times = self.goal, " ×" if self.goal.theirs else ""
        found = "–" if self.found is None else f"{self.found:.2f}{times}"
        return f"| {goal.words} | {SIGNS[goal.sense]} {goal.bound:.3g}{times} | {found} | {'yes' if self.met() else '**no**'} |"


def judge(rows: Mapping[tuple[str, str], Row], goals: Iterable[Goal] = GOALS) -> list[Verdict]:
    """The verdicts on what was measured, from rows by scenario and server; none on scenarios that were not."""
    measured = {scenario for scenario, _ in rows}
    return [Verdict(goal, figure(goal, rows)) for goal in goals if goal.scenario in measured]


def figure(goal: Goal, rows: Mapping[tuple[str, str], Row]) -> float | None:
    """What is judged; None where there is no such figure of ours, or of any of theirs."""
    own = values(goal, goal.column, goal.ours, rows)
    theirs = goal.their_column or goal.column
    others = [median(found) for name in goal.theirs if (found := values(goal, theirs, name, rows))]
    if not own or (goal.theirs and not others):
        return None
    ours = median(own) if goal.bound else max(own)  # where there is to be none, no round is to have any
    if not goal.theirs:
        return ours
    best = max if goal.sense == "at least" else min
    return ours / best(others)


def values(goal: Goal, column: str, server: str, rows: Mapping[tuple[str, str], Row]) -> list[float]:
    """A server's figures of all rounds."""
    row = rows.get((goal.scenario, server))
    return [found[column] for found in row.rounds if column in found] if row else []


def chapter(verdicts: Sequence[Verdict]) -> str:
    """The table; empty where nothing was wanted."""
    if not verdicts:
        return ""
    lines = ["| goal | wanted | is | met |", "| --- | ---: | ---: | ---: |", *(verdict.line() for verdict in verdicts)]
    return "\n".join(["## Goals", "", "× is the median divided by the best median of those named.", "", *lines])
