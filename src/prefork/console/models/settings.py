"""Settings → Performance: what there is, what a change would mean, and how far one is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt, StringConstraints

from prefork.console.models.envelope import Model, example

Text = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Setting(Model):
    """An option: its value, the file's text where it stands there, where the value comes from, what it means."""

    value: str
    text: str | None
    source: str
    help: str
    fixed: bool = Field(description="It comes from a flag or the environment, which count more than the file.")


class Settings(Model):
    """What Settings → Performance shows, and what the plan allows."""

    model_config = example(
        settings={
            "workers": {
                "value": "2",
                "text": "2",
                "source": "/etc/prefork.conf, line 3",
                "help": "HTTP workers, each serving one request at a time",
                "fixed": False,
            }
        },
        plan="base",
        most_workers=2,
        obstacle="",
    )

    settings: dict[str, Setting]
    plan: str | None
    most_workers: int | None = Field(description="HTTP workers that the plan allows; null is any number.")
    obstacle: str = Field(description="Why nothing can be saved; empty where nothing is in the way.")


class SettingsPatch(Model):
    """Options and their new values, as the file has them; null brings the default back."""

    model_config = example(settings={"workers": 4, "limit_memory_soft": "1G"})

    settings: dict[str, Text | StrictInt | StrictFloat | None] = Field(min_length=1)


class Waiting(Model):
    """What the latest requests would have waited, in seconds, with so many workers; `lost` would have been refused."""

    workers: int
    p50: float
    p95: float
    p99: float
    busy: float = Field(description="Per cent of the workers' time in which they have a request.")
    lost: int


class Prediction(Model):
    """The latest requests done again, by the workers that there are and by those of a change."""

    requests: int
    seconds: float = Field(description="In which they came.")
    now: Waiting
    then: Waiting


class Meaning(Model):
    """What a change would mean: options from and to, memory, database connections, what requests would wait, doubts.

    `memory_needed` is what workers may take up to their soft limit, `memory_likely` what they take if all are as large as the
    largest of now.
    """

    changes: dict[str, tuple[str, str]]
    processes: int
    memory_needed: int
    memory_likely: int | None
    memory_total: int | None
    connections_each: int
    connections_needed: int
    connections_allowed: int
    connections_of: str = Field(description="What allows so many.")
    wait: Prediction | None
    wait_unknown: str = Field(description="Why nothing is predicted; empty where it is.")
    warnings: list[str]


class Progress(Model):
    """How far a change is: so many of the wanted workers have it. Without a `generation` its code is still being loaded.

    `error` says why the server does not tell.
    """

    state: str
    generation: int | None = None
    ready: int = 0
    wanted: int = 0
    error: str | None = None


class Change(Model):
    """A saving of settings, also while it is applied: then `progress` says how many workers have the new ones."""

    model_config = example(
        id=3,
        at=1790035200.0,
        who="kim",
        options={"workers": ["1", "2"]},
        state="running",
        message="",
        ended_at=None,
        undoes=None,
        progress={"state": "reloading", "generation": 4, "ready": 1, "wanted": 2},
    )

    id: int
    at: float
    who: str
    options: dict[str, tuple[str | None, str | None]]
    state: Literal["running", "done", "rolled back", "failed"]
    message: str
    ended_at: float | None
    undoes: int | None
    progress: Progress | None = None
