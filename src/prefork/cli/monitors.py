"""What a running server is doing, for people and monitors: `prefork routes` and `prefork metrics`."""

from __future__ import annotations

import click

from prefork import config
from prefork.cli.asking import told, understood
from prefork.cli.server import Server, reached
from prefork.cli.settings import Meant, aimed, as_lines
from prefork.cli.terminal import console


@click.command()
@reached
@click.option("--all", "everything", is_flag=True, help="Show every route, not the first ten.")
@as_lines
def routes(server: Server, everything: bool, as_json: bool) -> None:
    """Show where the workers' time goes, and what would help."""
    found = server.routes()
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2))
        return
    from prefork.views import routes as view

    terminal = console()
    terminal.print(*view.screen(found, terminal.width, None if everything else view.MOST), sep="\n")


@click.command()
@aimed
@click.option("--listen", metavar="HOST:PORT", help="Answer with them at /metrics on this address until ended.")
def metrics(meant: Meant, listen: str | None) -> None:
    """Print a server's metrics for Prometheus."""
    if listen:
        from prefork.cli.exporter import export

        export(listen, meant.data_dir / config.CONTROL_SOCKET)
        return
    from prefork.metrics import exposition

    answer = understood("metrics", told(meant, {"command": "metrics"}), f"the server in {meant.data_dir}")
    click.echo(exposition(answer), nl=False)


VERBS = (routes, metrics)
