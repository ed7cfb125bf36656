"""What a server says of itself, as far as sampling reads it."""

from collections.abc import Callable
from typing import Any

import pytest

from prefork.scoreboard import BUCKETS


def saying(at: float = 100.0, **changed: Any) -> dict[str, Any]:
    """An answer to `status`, with what is changed in it."""
    return {
        "version": "1.0",
        "pid": 4242,
        "uptime": 1000.0 + at,
        "generation": 1,
        "threads": None,
        "concurrency": 0,
        "wanted": 4,
        "cron": {"wanted": 1},
        "websocket": {"wanted": 0, "connections": 0},
        "queue": {"length": 0},
        "dispatcher": {
            "pid": 4243,
            "cpu": 2.0,
            "requests": 106,
            "lent": 0,
            "connections": 3,
            "classes": {"2xx": 100, "3xx": 0, "4xx": 5, "5xx": 1},
            **dict.fromkeys(("refused", "failed", "retried", "abandoned"), 0),
        },
        "lanes": [{"name": "default", "shed": 4}],
        "lending": {"on": False, "obstacles": []},
        "occupied": {"workers": 0, "seconds": 50.0, "at": at},
        "histograms": {"wait": [0] * BUCKETS, "service": [7, *[0] * (BUCKETS - 1)]},
        "workers": [
            {"name": f"http.{number}", "pool": "http", "pid": number, "requests": 9, "memory": 50 << 20} for number in (1, 2)
        ],
        "incidents": 0,
        "crash_loop": None,
        **changed,
    }


@pytest.fixture
def status() -> Callable[..., dict[str, Any]]:
    return saying
