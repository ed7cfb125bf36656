"""What each rule sees, and what it says about it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.conftest import ROOT

from prefork.histogram import bucket
from prefork.incidents import Incident
from prefork.instances.rules import RULES, Picture, conditions, judged
from prefork.usage.sample import Sample

NOW = 1_790_035_200.0
MOMENT = datetime.fromtimestamp(NOW, UTC)


def texts(**parts: Any) -> dict[str, str]:
    """What is found, by rule."""
    return {found.rule: found.text for found in conditions(Picture(NOW, **parts))}


@pytest.mark.parametrize(
    ("sample", "rules"),
    [
        (Sample(configured=4, in_flight=80.0), set()),
        (Sample(configured=4, in_flight=80.1), {"usage"}),
        (Sample(configured=4, in_flight=95.1), {"usage", "critical"}),
        (Sample(configured=4, in_flight=10.0, cpu=100.0), set()),
        (Sample(configured=4, in_flight=None, cpu=100.0), {"usage", "critical"}),
        (Sample(configured=4), set()),
        (Sample(refused=1), set()),
        (Sample(shed=1), {"shedding"}),
        (Sample(disk=90.0, database=90.0), set()),
        (Sample(disk=90.1, database=90.1), {"disk", "database"}),
    ],
)
def test_what_a_minute_says(sample: Sample, rules: set[str]) -> None:
    assert set(texts(minute=sample)) == rules


def test_the_sentence_has_the_numbers() -> None:
    said = texts(minute=Sample(configured=8, in_flight=88.2, waits={bucket(0.3): 100}))["usage"]
    assert said.startswith("88 % of 8 workers were busy in the last minute; 95 % of requests waited for no longer than 3")


def test_a_crash_loop_names_the_module_to_blame() -> None:
    loop = {"failures": 3, "next_try": 4.0, "traceback": '  File "/srv/shop/views.py", line 12, in <module>\nKeyError: 1\n'}
    said = texts(status={"crash_loop": loop})["crash_loop"]
    assert said == (
        "starts have failed 3 times in a row, the first for views (/srv/shop/views.py, line 12, in <module>): KeyError: 1"
    )
    assert texts(status={"crash_loop": None}) == {}


def test_many_incidents_name_the_job_to_blame() -> None:
    one = Incident(
        "1a2b", NOW, "n", "cron.1", "cron", 7, 1, "limit_time_real_cron", "it took 61 s", "", job={"name": "shop.report"}
    )
    assert texts(incidents=[one] * 4) == {}
    assert texts(incidents=[one] * 5)["incidents"] == (
        "5 incidents in 10 minutes, the last one 1a2b: it took 61 s; job shop.report in 5 of 5"
    )
    assert "incidents" in texts(incidents=[one], most_incidents=1)


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "failures": 0, "active": True, "present": True, "remark": None, "due_at": MOMENT, "running": 0, **fields}


def test_jobs_that_fail_and_jobs_that_are_late() -> None:
    late = MOMENT - timedelta(minutes=6)
    found = conditions(
        Picture(
            NOW,
            jobs=[
                job("fine"),
                job("fails", failures=2),
                job("given_up", failures=9, active=False, remark="failed for a week"),
                job("late", due_at=late),
                job("at_it", due_at=late, running=1),
                job("paused", due_at=late, active=False, remark="paused"),
                job("only_deferred", due_at=None),
                job("removed", due_at=late, failures=3, present=False),
            ],
        )
    )
    assert [(each.rule, each.subject, each.text) for each in found] == [
        ("job_failing", "fails", "job fails has failed 2 times in a row"),
        ("job_failing", "given_up", "job given_up has failed 9 times in a row: failed for a week"),
        ("job_missed", "late", f"job late should have begun 6 minutes ago, at {late:%Y-%m-%d %H:%M} UTC"),
    ]


def test_a_time_is_told_in_utc_whatever_zone_the_database_has() -> None:
    late = (MOMENT - timedelta(minutes=6)).astimezone(ZoneInfo("Asia/Kathmandu"))
    said = texts(jobs=[job("late", due_at=late)])["job_missed"]
    assert said.endswith(f"at {MOMENT - timedelta(minutes=6):%Y-%m-%d %H:%M} UTC")


def test_who_does_not_answer_is_an_alert_and_nothing_else_is_known_of_it() -> None:
    picture = Picture(NOW, silent="no server runs at /srv/a")
    assert texts(silent="no server runs at /srv/a") == {"unreachable": "no server runs at /srv/a"}
    assert judged(picture) == {"unreachable", "incidents"}
    assert judged(Picture(NOW, minute=Sample(), status={"crash_loop": None}, jobs=[], ended="")) == set(RULES)


def test_the_page_has_every_rule_with_its_level_and_its_time() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| .+ \| ([\w ]+) \|$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    times = {0: "at once", 60: "1 minute", 120: "2 minutes", 600: "10 minutes"}
    assert rows == [(name, rule.level, times[int(rule.after)]) for name, rule in RULES.items()]


def test_a_server_that_the_console_runs_and_that_has_ended_is_one_alert() -> None:
    assert texts(ended="it has ended: signal 9 (SIGKILL)", silent="nothing there")["ended"] == "it has ended: signal 9 (SIGKILL)"
    assert RULES["unreachable"].unless == "ended"
    assert texts(ended="") == {}
