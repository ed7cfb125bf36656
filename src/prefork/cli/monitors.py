"""What a running server is doing, for people and monitors: `prefork routes` and `prefork metrics`."""

from __future__ import annotations

import click

from prefork.cli.running import told
from prefork.cli.settings import Meant, aimed, as_lines
from prefork.cli.terminal import console


@click.command()
@aimed
@click.option("--all", "everything", is_flag=True, help="Show every route, not the first ten.")
@as_lines
def routes(meant: Meant, everything: bool, as_json: bool) -> None:
    """Show where the workers' time goes, and what would help."""
    from prefork.usage.tips import judged

    answer = told(meant, {"command": "routes"})
    found = {"uptime": answer["uptime"], "routes": judged(answer["routes"])}
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2))
        return
    from prefork.views import routes as view

    terminal = console()
    terminal.print(*view.screen(found, terminal.width, None if everything else view.MOST), sep="\n")


@click.command()
@aimed
def metrics(meant: Meant) -> None:
    """Print a server's metrics for Prometheus."""
    from prefork.metrics import exposition

    click.echo(exposition(told(meant, {"command": "metrics"})), nl=False)


VERBS = (routes, metrics)
