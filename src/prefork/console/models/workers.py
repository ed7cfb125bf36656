"""What workers are doing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from prefork.console.models.envelope import Model


class Worker(BaseModel):
    """A worker and what it is doing; `busy_for` counts from the beginning of its request or job."""

    name: str
    pool: str
    pid: int
    generation: int
    state: str
    requests: int
    age: float
    busy_for: float | None
    job: str | None
    memory: int | None


class Stacks(Model):
    """What each thread of each worker is doing."""

    workers: list[dict[str, Any]]
