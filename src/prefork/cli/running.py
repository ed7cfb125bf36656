"""Commands to a running server, through its control socket."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from prefork import config
from prefork.cli.settings import FAILED, Meant, aimed
from prefork.config.kinds import AUTO
from prefork.control.client import Unreachable, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREACHABLE = 4  # the exit code where no server answers
MOMENT = 10.0  # seconds a server may take to answer a question
RELOAD_LIMIT = 3600.0  # seconds a reload may take: the server's own time limits decide long before


class Workers(click.IntRange):
    """A number of workers, or `auto`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A number or that word."""
        return AUTO if str(value).lower() == AUTO else super().convert(value, param, ctx)


@click.command()
@aimed
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
def status(meant: Meant, as_json: bool) -> None:
    """Show a server's workers, queue and requests."""
    answer = told(meant, {"command": "status"})
    if as_json:
        import json

        click.echo(json.dumps(answer, indent=2))
        return
    from rich.console import Console

    from prefork.views.status import screen

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(*screen(answer), sep="\n")


@click.command()
@aimed
def reload(meant: Meant) -> None:
    """Load the application's new code without dropping a request.

    If the new code fails to load or to get ready, the old code stays and the traceback is shown.
    """
    answer = told(meant, {"command": "reload"}, RELOAD_LIMIT)
    click.echo(f"Reloaded in {answer['seconds']:.1f} s: the server is at generation {answer['generation']}.")
    if waiting := answer["restart_needed"]:
        click.echo(f"These changes take effect with a restart: {', '.join(waiting)}.", err=True)


@click.command()
@aimed
def stacks(meant: Meant) -> None:
    """Show what each thread of each worker is doing."""
    from rich.console import Console

    from prefork.views.stacks import listing

    workers = told(meant, {"command": "stacks"})["workers"]
    Console(highlight=False, soft_wrap=True).print(*listing(workers), sep="\n")


@click.command()
@click.argument("workers", type=Workers(0, 512), metavar="N|auto")
@click.option("--pool", default="http", metavar="NAME", help="Which workers: http, cron for those that run jobs, or websocket.")
@aimed
def scale(workers: int | str, pool: str, meant: Meant) -> None:
    """Set the number of workers until the next reload or restart.

    Where the file says `workers = auto`, `auto` has the server find it again.
    """
    told(meant, {"command": "scale", "pool": pool, "workers": workers})
    if workers == AUTO:
        click.echo("The server finds the number of its workers again.")
        return
    where = "" if pool == "http" else f" in pool {pool}"
    click.echo(f"The server will have {workers} worker{'' if workers == 1 else 's'}{where}.")


@click.command()
@aimed
def stop(meant: Meant) -> None:
    """Stop a server after its current requests."""
    told(meant, {"command": "stop"})
    click.echo("The server is stopping.")


def told(meant: Meant, request: Mapping[str, object], timeout: float = MOMENT) -> dict[str, Any]:
    """The server's answer to a command, or the end of the program with what went wrong."""
    try:
        answer = ask(meant.data_dir / config.CONTROL_SOCKET, request, timeout)
    except Unreachable as error:
        click.echo(f"prefork: {error}", err=True)
        click.echo(
            "Start one with `prefork serve`, or name the running one's file (-c FILE) or directory (--data-dir PATH).", err=True
        )
        sys.exit(UNREACHABLE)
    if answer.get("ok") is not True:
        if answer.get("traceback"):
            click.echo(str(answer["traceback"]).rstrip(), err=True)
        click.echo(f"prefork: {answer.get('error', 'the server refused without a reason')}", err=True)
        sys.exit(FAILED)
    return answer


VERBS = (status, reload, stacks, scale, stop)
