"""What `prefork jobs` and the console say of a job."""

import pytest

from prefork.store import board
from prefork.views.jobs import COUNTED, state

IDLE = {"active": True, "remark": None, "running": 0, "failures": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({}, "idle"),
        ({"waiting": 3}, "3 waiting"),
        ({"waiting": COUNTED}, "100+ waiting"),
        ({"running": 2, "waiting": 3}, "running 2"),
        ({"failures": 2}, "failed 2 times"),
        ({"active": False, "remark": "it failed too often"}, "paused: it failed too often"),
    ],
)
def test_a_job_is_a_word_or_two(job: dict[str, object], said: str) -> None:
    assert state(IDLE | job) == said


def test_of_one_job_everything_was_counted() -> None:
    assert state(IDLE | {"waiting": 5000}, counted=None) == "5000 waiting"


def test_a_list_is_read_as_it_is_counted() -> None:
    assert COUNTED == board.COUNTED
