"""What is wrong with a server that answers."""

from typing import Any

import pytest

from prefork.instances.complaints import complaints

WELL: dict[str, Any] = {
    "state": "running",
    "ready": 2,
    "wanted": 2,
    "crash_loop": None,
    "queue": {"length": 0, "size": 10},
    "lanes": [{"waiting": 0}, {"waiting": 0}],
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"state": "stopping"}, ["the server is stopping"]),
        ({"ready": 1}, ["1 of 2 workers are ready"]),
        ({"crash_loop": {"failures": 3}}, ["workers failed at their start 3 times in a row"]),
        ({"queue": {"length": 12, "size": 10}, "lanes": [{"waiting": 6}, {"waiting": 6}]}, []),
        ({"queue": {"length": 10, "size": 10}, "lanes": [{"waiting": 10}, {"waiting": 0}]}, ["the queue is full with 10 requests"]),
    ],
)
def test_each_is_a_sentence(changed: dict[str, Any], said: list[str]) -> None:
    assert list(complaints(WELL | changed)) == said
