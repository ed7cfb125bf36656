"""What is kept of the past, for how long, and how it comes out as a chart."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from prefork.instances import history
from prefork.instances.database import Database
from prefork.usage.reading import Mark
from prefork.usage.sample import KEPT, Sample

MIDNIGHT = 1_790_035_200.0
HOUR, DAY = 3600.0, 86_400.0


def sample(at: float, **figures: Any) -> Sample:
    return Sample(at=at, seconds=300.0, configured=4, **figures)


def count(db: Database, grain: int) -> int:
    row = db.row("SELECT count(*) AS n FROM samples WHERE grain = ?", grain)
    assert row
    return int(row["n"])


def test_what_is_recorded_comes_back_whole(db: Database) -> None:
    names = [name for name in KEPT if name not in {"waits", "services", "at", "seconds"}]
    full = sample(MIDNIGHT, waits={0: 5, 40: 1}, services={100: 7})
    full = dataclasses.replace(full, **{name: number for number, name in enumerate(names)})
    history.record(db, "default", full)
    (found,) = history.spans(db, "default", history.MEASURED, MIDNIGHT, MIDNIGHT + 1)
    assert found == full


def test_the_table_has_a_column_for_each_figure_that_is_kept(db: Database) -> None:
    columns = {row["name"] for row in db.rows("PRAGMA table_info(samples)")}
    assert columns == {"instance_id", "grain", *KEPT}


def test_a_chart_has_a_point_for_each_span_of_which_something_is_known(db: Database) -> None:
    for minute in (0, 5, 10, 15, 45):
        history.record(db, "default", sample(MIDNIGHT + 60 * minute, in_flight=float(minute), succeeded=10))
    found = history.series(db, "default", MIDNIGHT, MIDNIGHT + HOUR, 600)
    assert [(point.at - MIDNIGHT, point.succeeded, point.in_flight) for point in found] == [
        (0.0, 20, 2.5),
        (600.0, 20, 12.5),
        (2400.0, 10, 45.0),
    ]


def test_hours_are_made_once_they_are_complete(db: Database) -> None:
    for number in range(18):
        history.record(db, "default", sample(MIDNIGHT + 300 * number, succeeded=1, waits={3: 2}))
    history.condense(db, MIDNIGHT + 1.9 * HOUR)
    assert count(db, 3600) == 0, "what began in it may be recorded an hour after its beginning"
    history.condense(db, MIDNIGHT + 2.5 * HOUR)
    (hour,) = history.spans(db, "default", 3600, 0, MIDNIGHT + DAY)
    assert (hour.at, hour.seconds, hour.succeeded, hour.waits) == (MIDNIGHT, HOUR, 12, {3: 24})
    history.condense(db, MIDNIGHT + 3 * HOUR)
    assert [hour.succeeded for hour in history.spans(db, "default", 3600, 0, MIDNIGHT + DAY)] == [12, 6]


def test_charts_of_hours_go_up_to_now(db: Database) -> None:
    for number in range(18):
        history.record(db, "default", sample(MIDNIGHT + 300 * number, succeeded=1))
    history.condense(db, MIDNIGHT + 2.5 * HOUR)
    assert count(db, 3600) == 1
    found = history.series(db, "default", MIDNIGHT - DAY, MIDNIGHT + 2.5 * HOUR, HOUR)
    assert [(point.at - MIDNIGHT, point.succeeded) for point in found] == [(0.0, 12), (HOUR, 6)]


def test_measured_for_14_days_hours_for_180(db: Database) -> None:
    for day in range(200):
        history.record(db, "default", sample(MIDNIGHT + day * DAY, succeeded=day))
        history.note(db, "default", [Mark(MIDNIGHT + day * DAY, "reload", "generation 2")])
    now = MIDNIGHT + 200 * DAY
    history.condense(db, now)
    assert (count(db, 0), count(db, 3600), count(db, 21_600)) == (14, 180, 180)
    assert len(history.marks(db, "default", 0, now)) == 180
    fine = history.series(db, "default", MIDNIGHT, now, 300)
    assert len(fine) == 180, "hours stand in for what was forgotten"
    assert [point.succeeded for point in fine] == list(range(20, 200))


def test_who_condenses_often_gets_what_he_gets_who_condenses_once(tmp_path: Path, db: Database) -> None:
    with Database(tmp_path / "other.sqlite") as other:
        other.change("INSERT INTO instances (id, name, kind, created_at) VALUES ('default', 'shop', 'own', 0)")
        for number in range(100):
            measured = sample(MIDNIGHT + 300 * number, in_flight=float(number % 7), waits={number % 5: 1})
            history.record(db, "default", measured)
            history.record(other, "default", measured)
            history.condense(other, measured.at)
        history.condense(db, MIDNIGHT + DAY)
        history.condense(other, MIDNIGHT + DAY)
        once, often = (history.spans(each, "default", 3600, 0, MIDNIGHT + DAY) for each in (db, other))
    assert once == often
    assert sum(sum(hour.waits.values()) for hour in once) == 100


def test_what_an_instance_did_goes_with_it(db: Database) -> None:
    history.record(db, "default", sample(MIDNIGHT))
    history.note(db, "default", [Mark(MIDNIGHT, "start", "started")])
    db.change("DELETE FROM instances WHERE id = 'default'")
    assert (count(db, 0), history.marks(db, "default", 0, MIDNIGHT + 1)) == (0, [])


def test_marks_come_in_order_and_once(db: Database) -> None:
    late, early = Mark(MIDNIGHT + 5, "scaling", "workers: 2 to 4"), Mark(MIDNIGHT, "incident", "1a2b: crash")
    history.note(db, "default", [late, early])
    history.note(db, "default", [late])
    assert history.marks(db, "default", MIDNIGHT, MIDNIGHT + 10) == [early, late]


@pytest.mark.parametrize("statement", [history.SPAN, history.LAST, history.FIRST, history.FORGET])
def test_no_question_reads_more_than_it_is_about(db: Database, statement: str) -> None:
    values = ["default", 3600, *[0.0] * (statement.count("?") - 2)]
    plan = " ".join(row["detail"] for row in db.rows(f"EXPLAIN QUERY PLAN {statement}", *values))
    assert "PRIMARY KEY (instance_id=? AND grain=?" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def test_half_a_year_is_720_points_from_as_many_summaries(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction():
        for hour in range(180 * 24):
            history.record(db, "default", sample(MIDNIGHT + HOUR * hour, services={20: 5}), 3600)
    back, resolution = history.RANGES["180d"]
    before = history.series(db, "default", MIDNIGHT, MIDNIGHT + back, resolution)
    history.condense(db, MIDNIGHT + back)
    assert history.series(db, "default", MIDNIGHT, MIDNIGHT + back, resolution) == before
    assert (len(before), before[0].services) == (720, {20: 30})
    assert (count(db, 21_600), len(history.spans(db, "default", 3600, history.after(db, "default", 21_600, 0, 1e12), 1e12))) == (
        719,
        6,
    )


def test_summaries_of_quarters_are_what_hours_make(db: Database) -> None:
    for number in range(12 * 30):
        history.record(db, "default", sample(MIDNIGHT + 300 * number, in_flight=float(number % 7), waits={number % 5: 1}))
    by_measured = history.series(db, "default", MIDNIGHT, MIDNIGHT + 2 * DAY, 21_600)
    history.condense(db, MIDNIGHT + 30 * HOUR)
    assert count(db, 21_600) == 4
    by_summaries = history.series(db, "default", MIDNIGHT, MIDNIGHT + 2 * DAY, 21_600)
    assert [(each.at, each.seconds, each.waits) for each in by_measured] == [
        (each.at, each.seconds, each.waits) for each in by_summaries
    ]
    assert [each.in_flight for each in by_summaries] == pytest.approx([each.in_flight for each in by_measured], abs=0.01)


def test_a_clock_that_was_wrong_for_a_while_stops_no_summaries(db: Database) -> None:
    history.record(db, "default", sample(MIDNIGHT + 400 * DAY))
    history.record(db, "default", sample(MIDNIGHT + 400 * DAY, succeeded=1), history.HOUR)
    for number in range(12):
        history.record(db, "default", sample(MIDNIGHT + 300 * number, succeeded=1))
    found = history.series(db, "default", MIDNIGHT, MIDNIGHT + HOUR, HOUR)
    assert [(point.at, point.succeeded) for point in found] == [(MIDNIGHT, 12)]
    history.condense(db, MIDNIGHT + 2.5 * HOUR)
    (hour,) = history.spans(db, "default", history.HOUR, MIDNIGHT, MIDNIGHT + DAY)
    assert hour.succeeded == 12
