"""What `prefork jobs` and the console say of a job."""

from datetime import UTC, datetime

import pytest

from prefork.store import board
from prefork.views.jobs import COUNTED, following, state

IDLE = {"active": True, "present": True, "remark": None, "running": 0, "failures": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({}, "idle"),
        ({"waiting": 3}, "3 waiting"),
        ({"waiting": COUNTED}, "100+ waiting"),
        ({"running": 2, "waiting": 3}, "running 2"),
        ({"failures": 2}, "failed 2 times"),
        ({"active": False, "remark": "it failed too often"}, "paused: it failed too often"),
        ({"present": False, "failures": 2}, "removed"),
        ({"present": False, "active": False, "remark": "paused"}, "removed"),
        ({"present": False, "running": 1}, "running"),
    ],
)
def test_a_job_is_a_word_or_two(job: dict[str, object], said: str) -> None:
    assert state(IDLE | job) == said


@pytest.mark.parametrize("change", [{"active": False}, {"present": False}])
def test_what_rests_and_what_was_removed_is_due_no_more(change: dict[str, object]) -> None:
    due = datetime(2026, 3, 2, tzinfo=UTC)
    assert following({**IDLE, "due_at": due}) == due
    assert following({**IDLE, "due_at": due, **change}) is None


def test_of_one_job_everything_was_counted() -> None:
    assert state(IDLE | {"waiting": 5000}, counted=None) == "5000 waiting"


def test_a_list_is_read_as_it_is_counted() -> None:
    assert COUNTED == board.COUNTED
