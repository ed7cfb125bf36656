"""Scheduled jobs, what is being done and what was done of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from prefork.console.models.envelope import Model


class Job(BaseModel):
    """A scheduled job, what it is doing and how it fared last."""

    model_config = ConfigDict(extra="allow")

    name: str
    schedule: str | None = None
    active: bool


class JobDetails(Model):
    """A job with what is being done and what was done of it."""

    job: Job
    running: list[dict[str, Any]]
    history: list[dict[str, Any]]


class Run(Model):
    """A run that is due."""

    job: str
    run: int
