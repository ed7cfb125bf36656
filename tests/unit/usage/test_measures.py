"""Shares of the configured workers, and what they mean."""

import os
from typing import Any

import pytest

from prefork.usage.levels import level
from prefork.usage.measures import Flight, by_processor, in_flight
from prefork.usage.report import BLIND, SILENT, of_server


@pytest.mark.parametrize(
    ("percent", "name", "recommendation"),
    [
        (0, "normal", "no action needed"),
        (59.9, "normal", "no action needed"),
        (60, "moderate", "monitor during peak hours"),
        (80, "moderate", "monitor during peak hours"),
        (80.1, "high pressure", "consider adding workers"),
        (95, "high pressure", "consider adding workers"),
        (95.1, "critical", "users may experience slow responses"),
        (100, "critical", "users may experience slow responses"),
    ],
)
def test_levels(percent: float, name: str, recommendation: str) -> None:
    assert level(percent) == (name, recommendation)


def test_who_uses_more_than_five_milliseconds_is_busy() -> None:
    share = by_processor([0.0, 0.005, 0.0051, 0.5], 4, 0.5)
    assert (share.busy, share.percent, share.level.name) == (2, 50.0, "normal")


def test_busy_workers_are_divided_by_the_configured_ones_not_by_those_that_were_found() -> None:
    assert by_processor([0.5, 0.5], 8, 0.5).percent == 25.0
    assert by_processor([0.5, 0.5, 0.5], 2, 0.5).percent == 100.0, "a reload has more of them for a while"
    assert by_processor([], 0, 0.5).percent == 0.0


def test_in_flight_is_an_average_over_the_time_between_two_moments() -> None:
    share = in_flight(Flight(0, 10.0, 100.0), Flight(3, 11.5, 101.0), 4)
    assert (share.busy, share.percent, share.seconds) == (3, 37.5, 1.0)


class Asked:
    """A server's status as it answers one question after the other: `at` and `seconds` of each."""

    def __init__(self, *answers: tuple[float, float], **more: Any) -> None:
        self.answers = list(answers)
        self.more = more
        self.now = 100.0

    def __call__(self) -> dict[str, Any]:
        at, seconds = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {
            "pid": 4242,
            "uptime": self.now,
            "dispatcher": {"pid": None, "cpu": None},
            "wanted": 4,
            "threads": None,
            "concurrency": 0,
            "workers": [],
            "occupied": {"workers": 2, "seconds": seconds, "at": at},
            **self.more,
        }

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def test_what_was_said_before_the_question_does_not_count() -> None:
    asked = Asked((99.9, 0.0), (100.1, 1.0), (100.1, 1.0), (101.1, 3.0))
    report = of_server(asked, asked.wait, asked.clock)
    assert report.flight
    assert (report.flight.percent, report.flight.seconds, report.share) == (50.0, 1.0, report.flight)
    assert report.notes == (BLIND,)


def test_a_dispatcher_that_says_nothing_leaves_the_other_measure() -> None:
    asked = Asked((99.9, 0.0))
    report = of_server(asked, asked.wait, asked.clock)
    assert report.flight is None
    assert report.notes == (BLIND, SILENT)
    assert report.told()["level"] == "normal"


def test_threads_are_counted_by_their_requests_and_as_one_process() -> None:
    rows = [{"pid": os.getpid(), "pool": "http"} for _ in range(4)]
    asked = Asked((100.1, 1.0), (101.1, 3.0), threads=4, workers=rows)
    report = of_server(asked, asked.wait, asked.clock)
    assert report.flight
    assert (report.flight.configured, report.flight.percent) == (4, 50.0)
    assert (report.processor.configured, list(report.spent)) == (1, [os.getpid()])


def test_a_server_without_http_is_not_waited_for() -> None:
    asked = Asked((0.0, 0.0), wanted=0)
    assert of_server(asked, asked.wait, asked.clock).told()["in_flight"] is None
    assert asked.now == 100.5
