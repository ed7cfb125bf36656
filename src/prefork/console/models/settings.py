"""Settings → Performance: what there is, what a change would mean, and how far one is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from prefork.console.models.envelope import Model


class Setting(Model):
    """An option: its value, the file's text where it stands there, where the value comes from, what it means."""

    value: str
    text: str | None
    source: str
    help: str
    fixed: bool = Field(description="It comes from a flag or the environment, which count more than the file.")


class Settings(Model):
    """What Settings → Performance shows, and what the plan allows."""

    settings: dict[str, Setting]
    plan: str | None
    most_workers: int | None = Field(description="HTTP workers that the plan allows; null is any number.")


class SettingsPatch(Model):
    """Options and their new values, as the file has them; null brings the default back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"settings": {"workers": 4, "limit_memory_soft": "1G"}}]})

    settings: dict[str, Annotated[str, StringConstraints(max_length=100)] | int | float | None] = Field(min_length=1)


class Meaning(Model):
    """What a change would mean: options from and to, memory that workers may take, database connections, doubts."""

    changes: dict[str, tuple[str, str]]
    processes: int
    memory_needed: int
    memory_total: int | None
    connections_each: int
    connections_needed: int
    connections_allowed: int
    warnings: list[str]


class Change(Model):
    """A saving of settings, also while it is applied: then `progress` says how many workers have the new ones."""

    id: int
    at: float
    who: str
    options: dict[str, tuple[str | None, str | None]]
    state: Literal["running", "done", "rolled back", "failed"]
    message: str
    ended_at: float | None
    undoes: int | None
    progress: dict[str, Any] | None = None
