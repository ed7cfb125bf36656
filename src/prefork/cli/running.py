"""Commands to a running server: here through its control socket, elsewhere through a console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from prefork.cli.asking import UNREACHABLE, told, understood
from prefork.cli.numbers import Whole
from prefork.cli.server import Server, reached
from prefork.cli.settings import FAILED, Meant, aimed, as_lines
from prefork.config.kinds import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType


class Workers(Whole):
    """A number of workers, or `auto`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A number or that word."""
        return AUTO if str(value).lower() == AUTO else super().convert(value, param, ctx)


@click.command()
@reached
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
def status(server: Server, as_json: bool) -> None:
    """Show a server's workers, queue and requests."""
    answer = server.status()
    if as_json:
        print_json(answer)
        return
    from prefork.views.status import screen

    show(screen(understood("status", answer, server.name())))


@click.command()
@reached
@as_lines
def workers(server: Server, as_json: bool) -> None:
    """Show what each worker is doing and for how long."""
    rows = of_workers(server)
    if as_json:
        print_json(rows)
        return
    from prefork.views import status as view

    show([view.workers(rows) if rows else "No worker runs."])


@click.command()
@reached
@as_lines
def health(server: Server, as_json: bool) -> None:
    """Say whether a server is well, and how its machine is.

    Exit code 0 means that it is, 1 that something is wrong, 4 that it does not answer.
    """
    answer = server.health()
    if as_json:
        print_json(answer)
    else:
        from prefork.views.health import screen

        show(screen(answer))
    sys.exit({"ok": 0, "unreachable": UNREACHABLE}.get(answer["status"], FAILED))


@click.command()
@reached
def reload(server: Server) -> None:
    """Load the application's new code without dropping a request.

    If the new code fails to load or to get ready, the old code stays and the traceback is shown.
    """
    answer = server.reload()
    click.echo(f"Reloaded in {answer['seconds']:.1f} s: the server is at generation {answer['generation']}.")
    if waiting := answer["restart_needed"]:
        click.echo(f"These changes take effect with a restart: {', '.join(waiting)}.", err=True)


@click.command()
@reached
def stacks(server: Server) -> None:
    """Show what each thread of each worker is doing."""
    from rich.console import Console

    from prefork.views.stacks import listing

    Console(highlight=False, soft_wrap=True).print(*listing(server.stacks()), sep="\n")


@click.command()
@click.argument("worker", metavar="PID|NAME")
@reached
def retire(worker: str, server: Server) -> None:
    """Have a worker replaced after its current work.

    Another one is ready in its place before it leaves.
    """
    workers = of_workers(server)
    found = next((row for row in workers if worker == row["name"] or (row["pid"] is not None and worker == str(row["pid"]))), None)
    if found is None:
        raise click.ClickException(f"there is no worker {worker}; `prefork workers` lists those that there are")
    if found["pid"] is None:
        raise click.ClickException(f"{worker} is only just being started")
    server.retire(found["pid"])
    click.echo(f"{found['name']} (pid {found['pid']}) leaves when another one is ready in its place.")


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


def of_workers(server: Server) -> list[Mapping[str, Any]]:
    """A row for each."""
    found: list[Mapping[str, Any]] = understood("status", server.status(), server.name())["workers"]
    return found


def show(parts: Iterable[RenderableType]) -> None:
    """Draw what a view yields, as wide as the terminal."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(*parts, sep="\n")


def print_json(answer: object) -> None:
    """For programs."""
    import json

    click.echo(json.dumps(answer, indent=2))


VERBS = (status, workers, health, reload, stacks, retire, scale, stop)
