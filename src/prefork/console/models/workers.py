"""What workers are doing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from prefork.console.models.envelope import Model, example


class Worker(BaseModel):
    """A worker and what it is doing; `busy_for` counts from the beginning of its request or job. Being forked it has no pid yet."""

    model_config = example(
        name="http.1",
        pool="http",
        pid=4711,
        generation=3,
        state="busy",
        requests=1820,
        age=3600.0,
        busy_for=0.4,
        job=None,
        memory=91226112,
    )

    name: str
    pool: str
    pid: int | None
    generation: int
    state: str
    requests: int
    age: float
    busy_for: float | None
    job: str | None
    memory: int | None


class Stacks(Model):
    """What each thread of each worker is doing."""

    model_config = example(
        workers=[
            {
                "worker": "http.1",
                "pid": 4711,
                "state": "busy",
                "stacks": 'Thread 0x00007f2b (most recent call first):\n  File "/srv/shop/totals.py", line 87 in order_totals',
            }
        ]
    )

    workers: list[dict[str, Any]]
