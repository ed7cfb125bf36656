"""When a job is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prefork.jobs import failures, schedules

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("every 10 minutes", 600), ("every minute", 60), ("every 90s", 90), ("Every 2 Hours", 7200), ("every week", 604_800)],
)
def test_intervals(text: str, seconds: int) -> None:
    assert schedules.parse(text, "UTC").after(NOW, NOW) == NOW + timedelta(seconds=seconds)


def test_an_interval_does_not_drift_and_leaves_out_what_is_past() -> None:
    due = NOW - timedelta(minutes=25)
    assert schedules.parse("every 10 minutes", "UTC").after(due, NOW) == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    "text",
    [
        "every 0 minutes",
        "every 00 minutes",
        "every 99999999999 weeks",
        f"every {'9' * 400} seconds",
        "every",
        "every two days",
        "every 5 fortnights",
        "* * *",
        "61 * * * *",
        "soon",
    ],
)
def test_what_is_no_schedule_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="interval"):
        schedules.parse(text, "UTC")


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='there is no time zone "Europe/Atlantis"'):
        schedules.parse("0 3 * * *", "Europe/Atlantis")


def test_clock_changes_lose_nothing_and_repeat_nothing() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = schedules.parse("30 2 * * *", "Europe/Berlin")
    times = []
    now = NOW
    for _ in range(3):
        now = schedule.after(now, now)
        times.append(now.astimezone(berlin).strftime("%d %H:%M %z"))
    assert times == ["29 03:00 +0200", "30 02:30 +0200", "31 02:30 +0200"]
    autumn = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    first = schedule.after(autumn, autumn)
    second = schedule.after(first, first)
    assert [moment.astimezone(berlin).day for moment in (first, second)] == [25, 26]


BERLIN = ZoneInfo("Europe/Berlin")  # as a database of that zone has its times
TWICE = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 02:00 there, for the first time


@pytest.mark.parametrize("minutes", [30, 50, 70, 110])
def test_an_interval_is_as_long_where_an_hour_comes_twice(minutes: int) -> None:
    due = TWICE + timedelta(minutes=minutes)
    schedule = schedules.parse("every 20 minutes", "UTC")
    assert schedule.after(due.astimezone(BERLIN), due.astimezone(BERLIN)) == due + timedelta(minutes=20)


def test_who_is_late_by_a_changed_clock_alone_has_missed_nothing() -> None:
    spring = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)  # a second before 02:00 becomes 03:00
    assert not schedules.missed("skip", spring.astimezone(BERLIN), (spring + timedelta(seconds=2)).astimezone(BERLIN))
    autumn = TWICE + timedelta(minutes=59)
    assert schedules.missed("skip", autumn.astimezone(BERLIN), (autumn + timedelta(minutes=2)).astimezone(BERLIN))


def test_who_comes_late_in_the_second_hour_is_sent_to_the_next_day() -> None:
    late = TWICE + timedelta(minutes=70)
    assert schedules.parse("30 2 * * *", "Europe/Berlin").after(TWICE + timedelta(minutes=30), late) > late + timedelta(hours=20)


def test_an_interval_begins_at_once_and_a_cron_job_at_its_time() -> None:
    assert schedules.first(schedules.parse("every day", "UTC"), NOW) == NOW
    assert schedules.first(schedules.parse("30 3 * * *", "UTC"), NOW) == datetime(2026, 3, 29, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["every ２ minutes", "every ٣ hours"])
def test_an_interval_has_the_digits_that_files_have(text: str) -> None:
    with pytest.raises(ValueError, match="is not an interval"):
        schedules.parse(text, "UTC")


def test_failures_wait_longer_each_time_and_not_for_ever() -> None:
    assert [failures.delay(n) for n in (1, 2, 3, 4, 50)] == [10.0, 40.0, 160.0, 640.0, 3600.0]


@pytest.mark.parametrize(("count", "days", "expected"), [(5, 8, True), (4, 8, False), (50, 6, False)])
def test_the_rule_of_odoo_18(count: int, days: int, expected: bool) -> None:
    assert failures.rests(count, NOW - timedelta(days=days), NOW) is expected
