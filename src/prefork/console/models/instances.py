"""Servers that the console knows: which, how they are, and what is done to them as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from prefork.console.models.envelope import AnyRole, Id, Model, Name, example


class Instance(Model):
    """A server that the console knows, and how it is: `state` is `unreachable` where it does not answer.

    It is `not understood` where what answers is of another release.
    """

    model_config = example(
        id="default",
        name="shop",
        kind="own",
        state="running",
        application="shop:app",
        version="0.1.0",
        plan="base",
        node="web1",
        uptime=3600.0,
        generation=3,
        workers={"wanted": 2, "ready": 2},
        role="operator",
    )

    id: Id
    name: str
    kind: Literal["own", "local", "remote"]
    state: str
    application: str | None = None
    version: str | None = None
    plan: str | None = None
    node: str | None = None
    uptime: float | None = None
    generation: int | None = None
    workers: dict[str, int] | None = None
    role: AnyRole
    error: str | None = Field(None, description="Why it does not answer, or is not understood.")


class NewInstance(Model):
    """A server that the console shall know: here by its `data_dir`, elsewhere by `url` and `token` of the console there."""

    model_config = example(
        {"id": "shop-2", "name": "shop", "data_dir": "/var/lib/shop"},
        {"id": "shop-3", "name": "shop", "url": "https://web2.example:8071", "token": "prefork_7wXq2"},
    )

    id: Id
    name: Name
    data_dir: Annotated[str, StringConstraints(max_length=4096, pattern=r"^/[^\x00-\x1f\x7f-\x9f]*$")] | None = None
    url: Annotated[str, StringConstraints(max_length=300)] | None = None
    token: Annotated[str, StringConstraints(max_length=200, pattern=r"^[\x21-\x7e]+$")] | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        """There is one way to it."""
        if (self.data_dir is None) == (self.url is None) or (self.url is None) != (self.token is None):
            raise ValueError("give the data_dir of a server on this machine, or url and token of the console on another")
        return self


class Renaming(Model):
    """Another name."""

    model_config = example(name="shop, Berlin")

    name: Name


class Status(BaseModel):
    """What a server says of itself, and more than is described here; times are seconds, memory is bytes."""

    model_config = ConfigDict(
        extra="allow",
        **example(
            version="0.1.0",
            pid=4700,
            state="running",
            uptime=3600.0,
            generation=3,
            app="shop:app",
            plan="base",
            wanted=2,
            ready=2,
            queue={"length": 0, "size": 1024, "oldest": 0},
            workers=[],
            crash_loop=None,
        ),
    )

    version: str
    state: str
    uptime: float
    generation: int
    app: str
    plan: str | None
    wanted: int = Field(description="HTTP workers.")
    ready: int = Field(description="Those of them that take requests.")
    queue: dict[str, int | float]
    workers: list[dict[str, Any]]
    crash_loop: dict[str, Any] | None


class Health(Model):
    """The server in a word, and its machine."""

    model_config = example(
        status="degraded",
        reasons=["1 of 2 workers are ready"],
        machine={"cpu": {"percent": 38.0, "cpus": 4, "load": [1.9, 1.7, 1.2]}, "database": {"used": 12, "most": 100}},
    )

    status: Literal["ok", "degraded", "unreachable"]
    reasons: list[str]
    machine: dict[str, Any] = Field(description="Processors, memory, swap, disk, pressure, control group, database connections.")


class Reloaded(Model):
    """How a reload ended."""

    model_config = example(generation=4, seconds=1.8, restart_needed=["http_port"])

    generation: int
    seconds: float
    restart_needed: list[str]


class Plan(Model):
    """A plan; null workers are any number."""

    model_config = example(name="base", workers=2)

    name: str
    workers: int | None
