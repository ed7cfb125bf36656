"""`prefork incidents`: what is kept of workers that were lost. The server need not be running."""

from __future__ import annotations

import sys

import click

from prefork.cli.server import Server, reached

LATEST = 50  # incidents in a list


@click.command()
@click.argument("incident", required=False, metavar="[ID]")
@reached
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def incidents(incident: str | None, server: Server, as_json: bool) -> None:
    """Show which workers were lost and why.

    ID shows everything about one: an incident's, or a request's. The server need not be running.
    """
    found = server.incidents(incident)
    if incident is not None and not found:
        raise click.ClickException(
            f"there is no incident {incident} {server.where()}; `prefork incidents` lists those that are kept"
        )
    if as_json:
        for each in found:
            click.echo(each.as_json())
        return
    if not found:
        click.echo("No incident is kept: no worker has ended that was not asked to.")
        return
    from rich.console import Console

    from prefork.views.incidents import details, listing, more

    wide = not sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=wide)
    if incident is None:
        if len(found) > LATEST:
            console.print(more(LATEST, len(found)))
        console.print(*listing(found[-LATEST:]), sep="\n", no_wrap=True, overflow="ignore" if wide else "ellipsis")
    else:
        console.print(*details(found), sep="\n", crop=False)


VERBS = (incidents,)
