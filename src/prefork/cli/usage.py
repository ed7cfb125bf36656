"""`prefork usage`: how busy workers are, those of any server."""

from __future__ import annotations

from typing import Any

import click

from prefork.cli.numbers import Whole
from prefork.cli.server import Server, reached
from prefork.cli.settings import as_lines, here
from prefork.cli.terminal import console

SPANS = {"24h": 86_400.0, "7d": 7 * 86_400.0, "180d": 180 * 86_400.0}  # seconds


@click.command()
@reached
@click.option("--pid", type=Whole(1), metavar="MASTER", help="Measure any server, by its master's pid: gunicorn, uWSGI, Odoo.")
@click.option("--workers", type=Whole(1, 65536), metavar="N", help="With --pid: how many are configured.")
@click.option("--range", "span", type=click.Choice([*SPANS]), help="Show what the console has recorded instead.")
@as_lines
def usage(pid: int | None, workers: int | None, span: str | None, as_json: bool, server: Server) -> None:
    """Measure how busy the workers are, and how the machine is."""
    from prefork.views import usage as view

    if pid and click.get_current_context().params["console"]:
        raise click.UsageError("--pid means a process of this machine; a console knows servers of ours")
    if workers and not pid:
        raise click.UsageError("--workers belongs to --pid; a server of ours knows how many it has")
    if span:
        if pid:
            raise click.UsageError("--range belongs to a server of ours; nothing is recorded of others")
        past(server, span, as_json)
        return
    answer = of_tree(pid, workers) if pid else server.usage()
    if as_json:
        import json

        click.echo(json.dumps(answer, indent=2))
    else:
        console().print(*view.screen(answer), sep="\n")


def of_tree(pid: int, workers: int | None) -> dict[str, Any]:
    """Any server on this machine, by its master's pid."""
    from prefork import usage as measure

    before = measure.read_clock()
    try:
        report = measure.of_tree(pid, workers)
    except measure.NoSuchProcess as error:
        raise click.ClickException(str(error)) from None
    return {**report.told(), "health": {**measure.read_health(before, here()).told(), "database": None}}


def past(server: Server, span: str, as_json: bool) -> None:
    """Show what the console of a server has recorded of it."""
    import json
    import time

    from prefork.views import past as view

    found = server.past(span)
    if as_json:
        click.echo(json.dumps(found))
        return
    now = time.time()
    console().print(*view.screen(found["points"], found["marks"], now - SPANS[span], now), sep="\n")


VERBS = (usage,)
