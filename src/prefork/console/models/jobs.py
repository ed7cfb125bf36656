"""Scheduled jobs, what is being done and what was done of them. Times are written out here, as PostgreSQL gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from prefork.console.models.envelope import Model, example
from prefork.jobs.arguments import keepable

Schedule = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_+/-]+$")]
MOST = (1 << 31) - 1  # what an integer of the database takes


class Arguments(Model):
    """What a run's function is called with."""

    args: list[JsonValue] = Field(default_factory=list)
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def kept(self) -> Self:
        """The store takes it."""
        keepable(self.model_dump())
        return self


class Job(Model):
    """A scheduled job, what it is doing and how it fared last; without a `schedule` it runs when it is deferred."""

    model_config = example(
        name="shop.tasks.send_mail",
        schedule="*/5 * * * *",
        tz="Europe/Berlin",
        misfire="once",
        priority=5,
        retries=3,
        arguments={"args": [], "kwargs": {"limit": 100}},
        active=True,
        present=True,
        due_at="2026-11-21T10:05:00Z",
        failures=0,
        first_failed_at=None,
        remark=None,
        waiting=0,
        running=0,
        outcome="done",
        ended_at="2026-11-21T10:00:01.200000Z",
        seconds=1.1,
    )

    name: str
    schedule: str | None
    tz: str
    misfire: str
    priority: int
    retries: int
    arguments: Any = Field(description="What its runs are called with: `args` and `kwargs`.")
    active: bool
    present: bool = Field(description="Whether some node has it; one that was removed from the code is due no more.")
    due_at: datetime | None
    failures: int = Field(description="Runs in a row that failed.")
    first_failed_at: datetime | None
    remark: str | None = Field(description="Why it is not active.")
    waiting: int = Field(description="Runs for now or later that no worker has. A list counts up to 100 of each job.")
    running: int
    outcome: str | None = Field(description="How its last run ended.")
    ended_at: datetime | None
    seconds: float | None


class RunUnderWay(Model):
    """A run that is being done; `done` and `remaining` are what the job says of its progress."""

    model_config = example(
        run=4711,
        attempt=1,
        node="web1",
        worker="cron.1",
        pid=812,
        claimed_at="2026-11-21T10:00:00.100000Z",
        lease_until="2026-11-21T10:00:30.100000Z",
        done=30,
        remaining=70,
    )

    run: int
    attempt: int
    node: str | None
    worker: str | None
    pid: int | None
    claimed_at: datetime | None
    lease_until: datetime | None
    done: int | None
    remaining: int | None


class EndedRun(Model):
    """An attempt that has ended, with what it cost."""

    model_config = example(
        run=4710,
        attempt=1,
        job="shop.tasks.send_mail",
        due_at="2026-11-21T10:00:00Z",
        node="web1",
        worker="cron.1",
        pid=812,
        claimed_at="2026-11-21T10:00:00.100000Z",
        ended_at="2026-11-21T10:00:01.200000Z",
        outcome="done",
        seconds=1.1,
        cpu=0.4,
        memory=73400320,
        error=None,
    )

    run: int
    attempt: int
    job: str
    due_at: datetime
    node: str | None
    worker: str | None
    pid: int | None
    claimed_at: datetime | None
    ended_at: datetime
    outcome: str
    seconds: float | None
    cpu: float | None
    memory: int | None
    error: str | None


class JobDetails(Model):
    """A job with what is being done and what was done of it."""

    job: Job
    running: list[RunUnderWay]
    history: list[EndedRun]


def without_defaults(schema: dict[str, Any]) -> None:
    """Say of a patch that what is left out has no value, not even the one that pydantic has for it."""
    for field in schema["properties"].values():
        field.pop("default", None)
    schema["examples"] = [{"schedule": "0 3 * * *", "tz": "Europe/Berlin", "priority": 2}]


class JobPatch(Model):
    """What shall be different about a job; what is left out stays. The declaration in the code counts again once it changes."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    schedule: Schedule | None = Field(None, description="An interval or a cron expression; null: it runs when it is deferred.")
    tz: Zone = Field("UTC", description="The time zone of a cron expression's hours.")
    misfire: Literal["once", "skip"] = Field("once", description="What becomes of a time that was missed.")
    priority: int = Field(5, ge=-MOST, le=MOST, description="The smallest comes first.")
    retries: int = Field(3, ge=0, le=1000)
    arguments: Arguments = Field(default_factory=Arguments, description="What its runs are called with.")
    active: bool = Field(True, description="False lets it rest until it is true again.")

    @model_validator(mode="after")
    def something(self) -> Self:
        """It changes something."""
        if not self.model_fields_set:
            raise ValueError(f"name at least one of {', '.join(type(self).model_fields)}")
        return self


class Run(Model):
    """A run that is due."""

    model_config = example(job="shop.tasks.send_mail", run=4712)

    job: str
    run: int
