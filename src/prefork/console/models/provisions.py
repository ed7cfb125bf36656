"""Instances that the console runs itself: what is asked to make one, what it has, what is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from prefork.config.hosted import printable
from prefork.config.quantities import size
from prefork.console.models.envelope import LARGEST, Model
from prefork.console.models.instances import NewInstance
from prefork.instances.changes import Invalid
from prefork.provision.holding import held, wished
from prefork.provision.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.instances import provisions
    from prefork.provision.files import Place
    from prefork.provision.grant import Grant
    from prefork.provision.offer import Offer

Line = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Key = Annotated[str, StringConstraints(max_length=61, pattern=r"^[a-z][a-z0-9_]*$")]
Memory = Annotated[str, StringConstraints(max_length=30)] | Annotated[int, Field(ge=1, le=LARGEST)]


class Upgrade(Model):
    """What is to be different about an instance; with nothing, its code is loaded anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"odoo": "/opt/odoo-18", "python": "/opt/odoo-18/.venv/bin/python"}]})

    app: Line | None = Field(None, description="The application, `module:attribute`.")
    odoo: Line | None = Field(None, description="In the place of `app`: the directory that holds Odoo.")
    app_dir: Line | None = Field(None, description="The application's directory.")
    python: Line | None = Field(None, description="The interpreter of the application's environment.")
    plan: Line | None = None
    workers: Annotated[int, Field(ge=1, le=512)] | None = Field(None, description="Null is as many as the resources carry.")
    cpus: Annotated[float, Field(gt=0, le=4096)] | None = Field(None, description="Null is what comes with the plan.")
    memory: Memory | None = Field(None, description="Bytes, or a size such as `2G`; null is what comes with the plan.")
    domain: Line | None = Field(None, description="nginx serves the instance under this name.")
    certificate: Line | None = None
    certificate_key: Line | None = None
    options: Annotated[dict[Key, Line], Field(max_length=100)] | None = Field(None, description="Further options of its file.")

    def given(self) -> dict[str, Any]:
        """The members that somebody has given, as a wish has them. Raises Invalid."""
        found = self.model_dump(exclude_unset=True)
        if isinstance(self.memory, str):
            try:
                found["memory"] = size(self.memory.strip())
            except ValueError as error:
                raise Invalid({"memory": str(error)}) from None
        if "options" in found:
            found["options"] = self.options or {}
        return found


class Running(Upgrade):
    """What an instance is to run: `app` or `odoo`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"app": "shop.wsgi:app", "app_dir": "/srv/shop", "plan": "base", "domain": None}]}
    )

    def wish(self) -> Wish:
        """As `provision` knows it. Raises Invalid."""
        return Wish(**self.given())


class Addition(NewInstance):
    """A server more: one that the console is to make and `run`, or one that it shall know, here by its `data_dir`, elsewhere by
    `url` and `token` of the console there.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": "shop", "name": "Shop", "run": {"app": "shop.wsgi:app", "app_dir": "/srv/shop", "plan": "base"}},
                {"id": "shop-2", "name": "shop", "data_dir": "/var/lib/shop"},
                {"id": "shop-3", "name": "shop", "url": "https://web2.example:8071", "token": "prefork_7wXq2"},
            ]
        }
    )

    run: Running | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        """There is one way to it."""
        ways = [each for each in (self.data_dir, self.url, self.run) if each is not None]
        if len(ways) != 1 or (self.url is None) != (self.token is None):
            raise ValueError("give run, or the data_dir of a server on this machine, or url and token of the console on another")
        return self


class Given(Model):
    """What an instance has: ports, workers, the limits and the memory of all of them, its part of the database's connections."""

    http_port: int
    websocket_port: int
    workers: int
    cron: int
    soft: int
    hard: int
    time_cpu: int
    time_real: int
    memory: int
    connections: int
    db_maxconn: int
    reasons: list[str]


class Prospect(Model):
    """What an instance would get: nothing of it is taken before it is made."""

    given: Given
    memory_free: int = Field(description="What is free of the machine's memory before.")
    directory: str
    options: dict[str, str] = Field(description="The lines of its file.")
    warnings: list[str]


class Work(Model):
    """Something that is, or was, done with an instance; `step` says how far it is, `message` how it went."""

    id: int
    at: float
    who: str
    action: Literal["create", "start", "stop", "restart", "upgrade"]
    state: Literal["running", "done", "rolled back", "failed"]
    step: str
    message: str
    ended_at: float | None


class Provision(Model):
    """An instance that the console runs: what was asked for, what it has, whether it is to run, what is being done with it."""

    run: Running
    given: Given
    wanted: Literal["running", "stopped"]
    directory: str
    pid: int | None
    failures: int = Field(description="Ends in a row that nobody wanted.")
    ended_at: float | None
    ended_how: str
    work: Work | None = Field(description="The latest.")


def given(grant: Grant) -> Given:
    """What an instance has."""
    return Given(**grant.told(), db_maxconn=grant.each)


def prospect(offer: Offer, directory: str, options: Mapping[str, str], memory_free: int) -> Prospect:
    """What an instance would get."""
    shown = {name: printable(name, text) for name, text in options.items()}
    return Prospect(given=given(offer.grant), memory_free=memory_free, directory=directory, options=shown, warnings=offer.warnings)


def provision(row: provisions.Provision, place: Place, latest: provisions.Work | None) -> Provision:
    """An instance that is run, as its file has it now; what may be a secret in its options is not told."""
    wish = wished(row, place)
    options = {name: printable(name, text) for name, text in wish.options.items()}
    return Provision(
        run=Running(**{**wish.told(), "options": options}),
        given=given(held(row, place)),
        wanted=row.wanted,  # type: ignore[arg-type]  # the table allows no other
        directory=str(place.directory),
        pid=row.pid,
        failures=row.failures,
        ended_at=row.ended_at,
        ended_how=row.ended_how,
        work=work(latest) if latest else None,
    )


def work(row: provisions.Work) -> Work:
    """Without its instance, which the path has."""
    return Work(**{name: value for name, value in row._asdict().items() if name != "instance"})
