"""`prefork db`: what to vacuum, which indexes are missing, what could be archived. Only `--run` does anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from prefork.cli.settings import FAILED, as_lines
from prefork.config import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prefork.doctor.plan import Step


class Window(click.ParamType[float]):
    """A time as the file has it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        try:
            return quantities.time(str(value).strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def named(function: Callable[..., None]) -> Callable[..., None]:
    """Add what tells which database is meant."""
    return click.option("--dsn", required=True, metavar="DSN", help="The database; not through a pooler.")(function)


def done(function: Callable[..., None]) -> Callable[..., None]:
    """Add what has a plan carried out."""
    function = click.option("--window", type=Window(), default="30m", show_default=True, help="With --run: when it must be over.")(
        function
    )
    return click.option("--run", "doing", is_flag=True, help="Do it; without this it is a plan.")(function)


@click.group()
def db() -> None:
    """Vacuum a PostgreSQL, propose indexes, plan archives."""


@db.command()
@named
@done
@as_lines
def vacuum(dsn: str, doing: bool, window: float, as_json: bool) -> None:
    """Vacuum the tables with many dead rows, the worst first."""
    follow(dsn, "vacuum", window if doing else None, as_json=as_json)


@db.command()
@named
@done
@as_lines
def indexes(dsn: str, doing: bool, window: float, as_json: bool) -> None:
    """Propose indexes, with what tells that they are needed."""
    follow(dsn, "indexes", window if doing else None, as_json=as_json)


@db.command()
@named
@as_lines
def archive(dsn: str, as_json: bool) -> None:
    """Say where most of the data is, and how to see how old it is. It never deletes anything."""
    follow(dsn, "archive", None, as_json=as_json)


def follow(dsn: str, what: str, seconds: float | None, *, as_json: bool) -> None:
    """Show a plan, and carry it out if there is a window for it."""
    from prefork.doctor import maintain
    from prefork.store.connection import Unavailable

    if as_json and seconds is not None:
        raise click.UsageError("--json prints a plan, and --run carries it out; give one of the two")
    try:
        planned = maintain.steps(dsn, what)
        if seconds is None:
            show(planned, as_json=as_json)
            return
        missed = False
        for statement, reason in maintain.carry_out(dsn, planned, seconds):
            click.echo(f"-- not done, {reason}: {statement}" if reason else f"{statement};")
            missed |= bool(reason)
    except Unavailable as reason:
        raise click.ClickException(str(reason)) from None
    if missed:
        sys.exit(FAILED)


def show(planned: Sequence[Step], *, as_json: bool) -> None:
    """Print a plan as lines for psql."""
    if as_json:
        import json

        click.echo(json.dumps([step.told() for step in planned], indent=2))
    for step in () if as_json else planned:
        click.echo(f"{step.statement};    -- {step.reason}")
    if not planned and not as_json:
        click.echo("-- nothing to do")


VERBS = (db,)
