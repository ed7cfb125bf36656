"""`prefork jobs` and `prefork migrate`: straight to the store of a server here, which need not run, or through a console."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from prefork.cli.near import store
from prefork.cli.numbers import Whole
from prefork.cli.server import Server, reached
from prefork.cli.settings import Meant, aimed, as_lines
from prefork.cli.terminal import console
from prefork.jobs.arguments import keepable

LARGEST = (1 << 31) - 1  # what an integer of the database takes
ARGUMENTS = {"args": list, "kwargs": dict}


class Arguments(click.ParamType[dict[str, Any]]):
    """What a job is called with, in JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Both members."""
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(each, ARGUMENTS.get(name, ())) for name, each in found.items()):
            self.fail(f"""{value} is no JSON such as {{"args": [1], "kwargs": {{"limit": 100}}}}""", param, ctx)
        try:
            keepable(found)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return {"args": [], "kwargs": {}, **found}


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
    """Show scheduled jobs; run, pause, resume and edit them."""


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
@click.option("--limit", type=Whole(1, 100_000), default=50, help="How many.", show_default=True)
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


@jobs.command("edit")
@click.argument("name")
@click.option("--schedule", metavar="TEXT", help="When it is due: every 10 minutes, or a cron expression.")
@click.option("--deferred", is_flag=True, help="It has no schedule: it runs when it is deferred.")
@click.option("--tz", metavar="ZONE", help="The time zone of a cron expression's hours, such as Europe/Berlin.")
@click.option("--misfire", type=click.Choice(["once", "skip"]), help="What becomes of a time that was missed.")
@click.option("--priority", type=Whole(-LARGEST, LARGEST), help="The smallest comes first.")
@click.option("--retries", type=Whole(0, 1000), help="How often a failed run is tried again.")
@click.option("--arguments", type=Arguments(), help='What it is called with: {"args": [1], "kwargs": {"limit": 100}}.')
@reached
def jobs_edit(name: str, server: Server, deferred: bool, **given: Any) -> None:
    """Change when a job runs, with what, and before which others.

    What is not named stays. The declaration in the code counts again once that changes.
    """
    changes = {member: value for member, value in given.items() if value is not None}
    if deferred and "schedule" in changes:
        raise click.UsageError("--deferred is for a job without a --schedule; give one of them")
    if deferred:
        changes["schedule"] = None
    if not changes:
        raise click.UsageError("name something to change, such as --schedule 'every 10 minutes'; --help has all")
    job = the_job(server, name)
    server.edit(job, changes)
    click.echo(f"{job['name']} has {', '.join(told(*each) for each in changes.items())} now.")


def told(member: str, value: Any) -> str:
    """What has been changed of a job, in words."""
    if value is None:
        return f"no {member}"
    return f"{member} {json.dumps(value) if isinstance(value, dict) else value}"


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
