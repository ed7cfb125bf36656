"""The small pure pieces of pages: curves, fields, the machine, words."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from prefork.console.pages import words
from prefork.console.pages.curve import HEIGHT, WIDTH, curve
from prefork.console.pages.fields import NAMES, changed, groups
from prefork.console.pages.machine import findings
from prefork.console.pages.words import ago, clock, duration, look, percent, sentence, size
from prefork.instances.changes import PERFORMANCE
from prefork.usage import read_clock, read_health

MIB = 1 << 20
NOON = 1_790_035_200.0
SETTINGS: dict[str, Any] = {
    name: {"value": "2", "text": "2", "source": "its default", "help": "Help", "fixed": False} for name in PERFORMANCE
}


def test_a_curve_goes_from_edge_to_edge_below_its_limit() -> None:
    drawn = curve([(-2.0, 10 * MIB), (-1.0, 20 * MIB), (0.0, 40 * MIB)], {"hard": 50 * MIB, "soft": 0, "far": 900 * MIB})
    assert drawn is not None
    assert drawn.line.startswith("M0.0,")
    assert drawn.area.endswith(f"L{WIDTH},{HEIGHT}L0,{HEIGHT}Z")
    assert set(drawn.limits) == {"hard"}
    assert 0 < drawn.limits["hard"] < float(drawn.line.rpartition(",")[2])
    assert (drawn.lowest, drawn.highest, drawn.seconds) == (10 * MIB, 40 * MIB, 2.0)


@pytest.mark.parametrize("points", [[], [(0.0, 5)]])
def test_one_point_is_no_curve(points: list[tuple[float, int]]) -> None:
    assert curve(points, {}) is None


def test_points_of_one_moment_and_no_size_do_not_divide_by_nothing() -> None:
    assert curve([(0.0, 0), (0.0, 0)], {}) is not None


def test_only_what_somebody_has_changed_is_saved() -> None:
    settings = SETTINGS | {"limit_time_real_cron": SETTINGS["workers"] | {"value": "not set"}}
    sent = {"workers": " 4 ", "max_cron_threads": "2", "limit_time_real_cron": "", "csrf": "x", "plan": "pro"}
    assert changed(settings, sent) == {"workers": "4"}


def test_every_field_can_be_changed_and_keeps_what_was_typed() -> None:
    assert set(NAMES) <= set(PERFORMANCE)
    shown = {field.name: field for fields in groups(SETTINGS, {"workers": "many"}, {"workers": "no"}).values() for field in fields}
    assert set(shown) == set(NAMES)
    assert (shown["workers"].value, shown["workers"].problem, shown["workers"].number) == ("many", "no", False), "auto is a word"
    assert shown["max_cron_threads"].number
    assert (shown["queue_size"].value, shown["queue_size"].problem) == ("2", "")


def test_what_a_flag_gives_cannot_be_typed() -> None:
    settings = SETTINGS | {"workers": SETTINGS["workers"] | {"source": "--workers", "fixed": True}}
    assert groups(settings, {}, {})["Workers"][0].source == "--workers"


def test_the_machine_of_this_test_can_be_told(tmp_path: Any) -> None:
    rows = {each.name: each for each in findings(read_health(read_clock(), tmp_path).told())}
    assert rows["Memory"].value.endswith(" %")
    assert {each.level for each in rows.values()} <= {"ok", "warning", "critical"}


@pytest.mark.parametrize(("share", "level"), [(80.0, "ok"), (80.5, "warning"), (95.5, "critical")])
def test_much_is_told_from_too_much(share: float, level: str) -> None:
    unknown = {"percent": None, "total": None, "load": [], "cpus": 1}
    machine = {
        "cpu": unknown,
        "memory": {"percent": share, "total": 1 << 30},
        "swap": unknown,
        "disk": unknown,
        "cgroup": None,
        "pressure": {"cpu": None, "memory": None, "io": None},
    }
    assert [(each.value, each.level) for each in findings(machine)] == [(f"{share:.0f} %", level)]


def test_values_read_well() -> None:
    assert duration(None) == size(None) == percent(None) == clock(None) == ago(None) == "–"
    assert (duration(86_420.0), duration(90_061.0), duration(3_605.0), duration(7_384.9)) == ("1 d", "1 d 1 h", "1 h", "2 h 3 min")
    assert (percent(62.0), percent(62.5), size(3 << 30), duration(93.0)) == ("62", "62.5", "3 GiB", "1 min 33 s")


def test_how_far_away_a_time_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "time", SimpleNamespace(time=lambda: NOON))
    assert ago(NOON - 7200) == "2 h ago"
    assert ago(datetime.fromtimestamp(NOON + 600, UTC)) == "in 10 min"


def test_a_sentence_is_whole() -> None:
    assert sentence("the plan base allows 2") == "The plan base allows 2."
    assert sentence("Why?") == "Why?"
    assert sentence("a job fails", "") == "A job fails"
    assert sentence("") == ""


@pytest.mark.parametrize(
    ("state", "looks"),
    [
        ("running", "good"),
        ("failed 3 times", "bad"),
        ("paused: it failed too often", "off"),
        ("4 waiting", "warn"),
        (None, "off"),
        ("x", "off"),
    ],
)
def test_a_state_has_a_look(state: str | None, looks: str) -> None:
    assert look(state) == looks
