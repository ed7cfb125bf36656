"""`prefork jobs` and `prefork migrate`: straight to the store of a server here, which need not run, or through a console."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from prefork.cli.near import store
from prefork.cli.server import Server, reached
from prefork.cli.settings import Meant, aimed, as_lines
from prefork.cli.terminal import console


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
@reached
@as_lines
def jobs_list(server: Server, as_json: bool) -> None:
    """List every job: when it is due, and how it fared last."""
    from prefork.views import jobs as view

    found = server.jobs(None)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("No job has been declared yet: the first start with the option jobs does that.")
    else:
        console().print(view.listing(found, datetime.now(UTC)))


@jobs.command("show")
@click.argument("name")
@reached
@as_lines
def jobs_show(name: str, server: Server, as_json: bool) -> None:
    """Show everything about a job."""
    from prefork.views import jobs as view

    job = the_job(server, name)
    running, history = server.job(job["name"])
    if as_json:
        click.echo(view.as_json({**job, "runs": running, "history": history}))
    else:
        console().print(*view.details(job, running, history, datetime.now(UTC)), sep="\n")


@jobs.command("history")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="How many.", show_default=True)
@reached
@as_lines
def jobs_history(name: str | None, limit: int, server: Server, as_json: bool) -> None:
    """Show what has been done, the latest first."""
    from prefork.views import jobs as view

    found = server.history(the_job(server, name)["name"] if name else None, limit)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("Nothing has been done yet.")
    else:
        console().print(view.past(found, datetime.now(UTC)))


@jobs.command("run")
@click.argument("name")
@reached
def jobs_run(name: str, server: Server) -> None:
    """Have a job run now, whatever its schedule."""
    job = the_job(server, name)["name"]
    click.echo(f"Run {server.run(job)} of {job} is due.")


@jobs.command("pause")
@click.argument("name")
@reached
def jobs_pause(name: str, server: Server) -> None:
    """Let a recurring job rest until it is resumed."""
    job = the_job(server, name)["name"]
    server.pause(job)
    click.echo(f"{job} is paused; `prefork jobs resume {name}` lets it go on.")


@jobs.command("resume")
@click.argument("name")
@reached
def jobs_resume(name: str, server: Server) -> None:
    """Let a job go on that was paused or deactivated."""
    job = the_job(server, name)["name"]
    server.resume(job)
    click.echo(f"{job} goes on.")


def the_job(server: Server, name: str) -> dict[str, Any]:
    """The one job that a name means, which may be the end of its full one."""
    found = server.jobs(name)
    exact = [job for job in found if job["name"] == name] or found
    if len(exact) != 1:
        names = ", ".join(job["name"] for job in found)
        said = f"{name} could be {names}" if found else f"there is no job {name}; `prefork jobs list` shows them all"
        raise click.ClickException(said)
    return exact[0]


VERBS = (migrate, jobs)
