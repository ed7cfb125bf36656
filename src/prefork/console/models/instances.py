"""Servers that the console knows: which, how they are, and what is done to them as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from prefork.console.models.envelope import AnyRole, Id, Model, Name


class Instance(Model):
    """A server that the console knows, and how it is: `state` is `unreachable` where it does not answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "default",
                    "name": "shop",
                    "kind": "own",
                    "state": "running",
                    "application": "shop:app",
                    "version": "0.1.0",
                    "plan": "base",
                    "node": "web1",
                    "uptime": 3600.0,
                    "generation": 3,
                    "workers": {"wanted": 2, "ready": 2},
                    "role": "operator",
                }
            ]
        }
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
    error: str | None = Field(None, description="Why it does not answer.")


class NewInstance(Model):
    """A server that the console shall know: here by its `data_dir`, elsewhere by `url` and `token` of the console there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": "shop-2", "name": "shop", "data_dir": "/var/lib/shop"},
                {"id": "shop-3", "name": "shop", "url": "https://web2.example:8071", "token": "prefork_7wXq2"},
            ]
        }
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

    name: Name


class Health(Model):
    """The server in a word, and its machine."""

    status: Literal["ok", "degraded", "unreachable"]
    reasons: list[str]
    machine: dict[str, Any]


class Reloaded(Model):
    """How a reload ended."""

    generation: int
    seconds: float
    restart_needed: list[str]


class Plan(Model):
    """A plan; null workers are any number."""

    name: str
    workers: int | None
