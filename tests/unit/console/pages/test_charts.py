"""What the charts show of recorded samples."""

import dataclasses

from prefork.console.pages.charts import CHARTS, FEW, SERIES, board, natural, point
from prefork.usage.sample import Sample

SAMPLE = Sample(
    at=100.0, seconds=10.0, configured=2, in_flight=62.5, cpu=40.0, succeeded=50, server_errors=5, workers={"http.1": 7}
)


def lines(told: dict, chart: str) -> dict:
    return {line["name"]: line["values"] for line in told["charts"][chart]["lines"]}


def test_each_chart_has_a_line_for_each_figure() -> None:
    told = board([SAMPLE.told()], [], {}, 10)
    assert told["time"] == [100.0]
    assert lines(told, "usage") == {"in flight": [62.5], "processor": [40.0]}
    assert lines(told, "requests") == {"2xx": [5.0], "3xx": [0.0], "4xx": [0.0], "5xx": [0.5]}
    assert lines(told, "memory") == {"http.1": [7]}


def test_a_worker_that_is_not_there_leaves_a_gap() -> None:
    later = dataclasses.replace(SAMPLE, at=110.0, workers={"http.2": 9})
    assert lines(board([SAMPLE.told(), later.told()], [], {}, 10), "memory") == {"http.1": [7, None], "http.2": [None, 9]}


def test_where_samples_are_missing_no_line_leads_on() -> None:
    times = (100.0, 110.0, 130.0, 1000.0, 1010.0)
    told = board([dataclasses.replace(SAMPLE, at=at).told() for at in times], [], {}, 10)
    assert told["time"] == [100.0, 110.0, 130.0, 140.0, 1000.0, 1010.0]
    assert lines(told, "usage")["in flight"] == [62.5, 62.5, 62.5, None, 62.5, 62.5]
    assert lines(told, "jobs")["runs"][3] is None
    long = dataclasses.replace(SAMPLE, seconds=3600.0)
    told = board([dataclasses.replace(long, at=at).told() for at in (0.0, 3660.0, 7200.0)], [], {}, 300)
    assert None not in lines(told, "usage")["in flight"], "each of them is about an hour"


def test_what_is_kept_of_memory_for_long_is_its_mean_and_highest() -> None:
    old = dataclasses.replace(SAMPLE, workers={}, memory=5.0, memory_most=8)
    assert lines(board([old.told()], [], {}, 3600), "memory") == {"highest": [8], "mean": [5.0]}


def test_many_workers_are_their_mean_and_highest() -> None:
    many = dataclasses.replace(SAMPLE, workers={f"http.{number}": number for number in range(1, FEW + 2)})
    assert lines(board([many.told()], [], {}, 10), "memory") == {"highest": [FEW + 1], "mean": [(FEW + 2) / 2]}


def test_a_span_without_length_has_no_rate() -> None:
    told = board([dataclasses.replace(SAMPLE, seconds=0.0).told()], [], {}, 10)
    assert lines(told, "requests")["2xx"] == [None]


def test_limits_are_drawn_where_they_are_set_and_where_they_belong() -> None:
    told = board([SAMPLE.told()], [], {"soft limit": 100, "hard limit": 0}, 10)
    assert [(limit["name"], limit["value"]) for limit in told["charts"]["memory"]["limits"]] == [("soft limit", 100)]
    assert told["charts"]["usage"]["limits"] == []


def test_a_new_point_has_the_lines_and_colours_of_the_series() -> None:
    told, end = board([SAMPLE.told()], [], {}, 10), point(SAMPLE.told())
    assert end["time"] == 100.0
    for key in CHARTS:
        series = [(line["name"], line["colour"], line["values"][-1]) for line in told["charts"][key]["lines"]]
        assert series == [(line["name"], line["colour"], line["value"]) for line in end["charts"][key]]


def test_colours_begin_again_after_the_last() -> None:
    many = dataclasses.replace(SAMPLE, workers={f"http {number}": number for number in range(1, SERIES + 2)})
    colours = [line["colour"] for line in point(many.told())["charts"]["memory"]]
    assert colours[0] == colours[SERIES] == "series-1"
    assert len(set(colours)) == SERIES


def test_names_with_numbers_stand_in_their_order() -> None:
    assert sorted(["http.10", "http.2", "cron.1", "mean"], key=natural) == ["cron.1", "http.2", "http.10", "mean"]
