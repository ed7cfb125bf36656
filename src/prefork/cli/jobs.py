"""`prefork jobs` and `prefork migrate`: straight to the store of a server, which need not be running."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from prefork.cli.settings import Meant, aimed, as_lines
from prefork.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@aimed
def migrate(meant: Meant) -> None:
    """Bring the store's schema up to date.

    Servers do that at their start; this is for those whose role may not.
    """
    from prefork.store import schema

    with store(meant) as connection:
        applied = schema.prepare(connection)
    for each in applied:
        click.echo(f"Applied migration {each.version} ({each.name}).")
    if not applied:
        click.echo("The schema is up to date.")


@click.group()
def jobs() -> None:
    """Show scheduled jobs, and run, pause and resume them."""


@jobs.command("list")
@aimed
@as_lines
def jobs_list(meant: Meant, as_json: bool) -> None:
    """List every job: when it is due, and how it fared last."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(meant) as connection:
        found = board.listed(connection)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("No job has been declared yet: the first start with the option jobs does that.")
    else:
        console().print(view.listing(found, datetime.now(UTC)))


@jobs.command("show")
@click.argument("name")
@aimed
@as_lines
def jobs_show(name: str, meant: Meant, as_json: bool) -> None:
    """Show everything about a job."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(meant) as connection:
        job = the_job(connection, name)
        running, history = board.running(connection, job["name"]), board.history(connection, job["name"], 10)
    if as_json:
        click.echo(view.as_json({**job, "runs": running, "history": history}))
    else:
        console().print(*view.details(job, running, history, datetime.now(UTC)), sep="\n")


@jobs.command("history")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="How many.", show_default=True)
@aimed
@as_lines
def jobs_history(name: str | None, limit: int, meant: Meant, as_json: bool) -> None:
    """Show what has been done, the latest first."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(meant) as connection:
        found = board.history(connection, the_job(connection, name)["name"] if name else None, limit)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("Nothing has been done yet.")
    else:
        console().print(view.past(found, datetime.now(UTC)))


@jobs.command("run")
@click.argument("name")
@aimed
def jobs_run(name: str, meant: Meant) -> None:
    """Have a job run now, whatever its schedule."""
    from prefork.store import board

    with store(meant) as connection:
        job = the_job(connection, name)["name"]
        click.echo(f"Run {board.run(connection, job)} of {job} is due.")


@jobs.command("pause")
@click.argument("name")
@aimed
def jobs_pause(name: str, meant: Meant) -> None:
    """Let a recurring job rest until it is resumed."""
    from prefork.store import board

    with store(meant) as connection:
        job = the_job(connection, name)["name"]
        board.pause(connection, job)
    click.echo(f"{job} is paused; `prefork jobs resume {name}` lets it go on.")


@jobs.command("resume")
@click.argument("name")
@aimed
def jobs_resume(name: str, meant: Meant) -> None:
    """Let a job go on that was paused or deactivated."""
    from prefork.store import board

    with store(meant) as connection:
        job = the_job(connection, name)["name"]
        board.resume(connection, job)
    click.echo(f"{job} goes on.")


@contextmanager
def store(meant: Meant) -> Iterator[Any]:
    """A connection to the store of a server, or the end of the program with what is in the way."""
    from prefork.store.address import Address
    from prefork.store.connection import Unavailable, connect, translated

    where = Address(meant.settings.store_address)
    try:
        with connect(where, "prefork jobs") as connection, translated():
            yield connection
    except Unavailable as error:
        raise click.ClickException(str(error)) from None


def the_job(connection: Any, name: str) -> dict[str, Any]:
    """The one job that a name means, which may be the end of its full one."""
    from prefork.store import board

    found = board.listed(connection, name)
    exact = [job for job in found if job["name"] == name] or found
    if len(exact) != 1:
        names = ", ".join(job["name"] for job in found)
        said = f"{name} could be {names}" if found else f"there is no job {name}; `prefork jobs list` shows them all"
        raise click.ClickException(said)
    return exact[0]


VERBS = (migrate, jobs)
