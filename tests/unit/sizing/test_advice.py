"""Advice: the number that keeps the target, what binds it, how sure it is, and the refusal where too little is known."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import pytest
from rich.console import Console

from prefork.config import OPTIONS
from prefork.sizing import advice
from prefork.sizing.advice import LEAST_SECONDS, MOST_REQUESTS, Question, is_right, lacking
from prefork.sizing.bounds import Cap
from prefork.sizing.simulate import Place
from prefork.views import advice as view

from .traffic import poisson, recorded

KEPT = 50_000
EACH = 87 << 20
advise = cache(advice.advise)  # several tests look at the same
FREE = (Cap("workers_max", None, "none set"), Cap("plan", None, "none given"), Cap("memory", 12, "3.2 GiB free"))


@cache
def asked(cpu: float, io: float, rate: float = 20.0, caps: tuple[Cap, ...] = FREE, workers: int = 3) -> Question:
    found = recorded(poisson(6000, rate, cpu, io), Place(workers, 2))
    return Question(found, Place(workers, 2), caps, EACH, 0.05)


def shown(question: Question) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(*view.screen(advise(question), question), sep="\n")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_fewest_workers_that_keep_the_target() -> None:
    question = asked(0.02, 0.04)
    given = advise(question)
    rows = {row.outcome.workers: row for row in given.rows}
    assert (given.workers, given.binding, given.need.met) == (3, "target", True)
    assert rows[2].outcome.wait(0.95) > question.target >= rows[3].outcome.wait(0.95)
    assert list(rows) == [1, 2, 3, 4, 5, 6, 7], "from two fewer to four more"
    assert rows[4].memory == 4 * EACH
    assert rows[1].outcome.saturated


def test_the_tightest_bound_binds_and_is_named() -> None:
    given = advise(asked(0.01, 0.1, caps=(*FREE, Cap("database", 3, "a few connections"))))
    assert (given.workers, given.binding) == (3, "database")
    assert given.need.workers > 3


def test_more_workers_are_no_processors() -> None:
    given = advise(asked(0.06, 0.01, rate=30))
    assert (given.binding, given.need.met) == ("cpu", False)
    assert given.workers < 8
    assert given.cpus is not None
    assert given.cpus > 2


def test_two_where_one_would_do() -> None:
    given = advise(asked(0.001, 0.001))
    assert (given.workers, given.need.workers, given.binding) == (2, 1, "target")


def test_it_is_less_sure_of_traffic_that_changes() -> None:
    question = asked(0.02, 0.04)
    steady = advise(question).sure
    work = question.recording.work
    slower = [each._replace(arrived=2 * each.arrived) for each in work[:2000]]
    begin = slower[-1].arrived
    faster = [each._replace(arrived=begin + (each.arrived - work[2000].arrived) / 4) for each in work[2000:]]
    changed = replace(question.recording, work=(*slower, *faster), seconds=faster[-1].arrived)
    doubtful = advise(replace(question, recording=changed)).sure
    assert steady.level == "fair"
    assert "measured were" in steady.reasons[-1]
    assert doubtful.level == "low"


def test_it_says_when_the_number_of_workers_has_changed_meanwhile() -> None:
    question = asked(0.02, 0.04)
    given = advise(replace(question, recording=replace(question.recording, workers=(2, 5))))
    assert "2 to 5 workers" in given.sure.reasons[-1]


@pytest.mark.parametrize(
    ("count", "seconds", "kept", "said"),
    [
        (640, 250.0, KEPT, "640 of 1,000 requests and 4.2 of 10 minutes"),
        (640, 250.0, KEPT, "ask again after 360 more requests and 5.8 more minutes"),
        (5000, 250.0, KEPT, "after 5.8 more minutes"),
        (400, 4000.0, KEPT, "after 600 more requests"),
        (9999, 100.0, 10_000, "set trace_requests to 61000 and restart"),
        (49_999, 5.0, KEPT, "set trace_requests to 500000 and restart"),
        (1000, 600.0, KEPT, ""),
        (MOST_REQUESTS - 1, 5.0, MOST_REQUESTS, ""),
        (MOST_REQUESTS - 2, 5.0, MOST_REQUESTS, f"after {(LEAST_SECONDS - 5) / 60:.1f} more minutes"),
    ],
)
def test_it_refuses_below_a_thousand_requests_or_ten_minutes(count: int, seconds: float, kept: int, said: str) -> None:
    found = lacking(count, seconds, kept)
    assert said in found
    assert bool(found) == bool(said)


def test_it_asks_for_no_more_than_may_be_kept() -> None:
    assert OPTIONS["trace_requests"].maximum == MOST_REQUESTS


def test_what_is_shown_fits_eighty_columns_and_says_it_without_colours() -> None:
    text = shown(asked(0.02, 0.04))
    assert max(map(len, text.splitlines())) <= 80
    assert "● 3 workers · the target binds · 95% are to wait 50 ms at the most" in text
    assert "▶       3" in text
    assert "saturated" in text
    assert "3 workers are right." in text
    bound = shown(asked(0.01, 0.1, caps=(Cap("memory", 3, "not much"),), workers=2))
    assert "over memory" in bound
    assert "There are 2. Try prefork scale 3" in bound
    assert "…" not in text + bound


@pytest.mark.parametrize(
    ("what", "note"),
    [("memory", "over memory"), ("plan", "over plan"), ("database", "over conns"), ("workers_max", "over max")],
)
def test_each_bound_is_named(what: str, note: str) -> None:
    text = shown(asked(0.01, 0.1, caps=(Cap(what, 3, "so it is"),), workers=2))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(note) == 4, "the four rows behind it"
    assert "3 at the most (so it is)" in text


def test_where_the_server_finds_the_number_only_its_bound_is_to_be_set() -> None:
    text = shown(asked(0.01, 0.1, caps=(Cap("workers_max", 3, "set to 3"),), workers=2))
    assert "The server finds the number itself, workers = auto; set workers_max = " in text
    assert "prefork scale" not in text
    assert "workers = auto." in shown(asked(0.01, 0.1, caps=(Cap("workers_max", 9, "set to 9"),), workers=2))


def test_the_same_for_programs() -> None:
    question = asked(0.06, 0.01, rate=30)
    told = view.answer(advise(question), question)
    assert (told["binding"], told["needed"], told["now"]) == ("cpu", None, 3)
    assert told["cpus_needed"] > told["cpus"] == 2
    assert [row["workers"] for row in told["rows"]][2] == told["workers"]
    assert set(told["rows"][0]) >= {"wait", "answer", "busy", "computing", "lost", "saturated", "memory", "allowed"}


def test_right_is_a_quarter_or_ten_milliseconds() -> None:
    assert is_right(0.124, 0.1)
    assert is_right(0.011, 0.002)
    assert not is_right(0.2, 0.1)
