"""`prefork usage`: how busy workers are, those of any server."""

from __future__ import annotations

from typing import Any

import click

from prefork import config
from prefork.cli.running import told
from prefork.cli.settings import Meant, aimed, as_lines, here
from prefork.cli.terminal import console


@click.command()
@aimed
@click.option(
    "--pid", type=click.IntRange(1), metavar="MASTER", help="Measure any server, by its master's pid: gunicorn, uWSGI, Odoo."
)
@click.option("--workers", type=click.IntRange(1, 65536), metavar="N", help="With --pid: how many are configured.")
@click.option("--range", "span", type=click.Choice(["24h", "7d", "180d"]), help="Show what the console has recorded instead.")
@as_lines
def usage(pid: int | None, workers: int | None, span: str | None, as_json: bool, meant: Meant) -> None:
    """Measure how busy the workers are, and how the machine is."""
    from prefork import usage as measure
    from prefork.views import usage as view

    if workers and not pid:
        raise click.UsageError("--workers belongs to --pid; a server of ours knows how many it has")
    if span:
        if pid:
            raise click.UsageError("--range belongs to a server of ours; nothing is recorded of others")
        past(meant, span, as_json)
        return
    before = measure.read_clock()
    if pid:
        try:
            report = measure.of_tree(pid, workers)
        except measure.NoSuchProcess as error:
            raise click.ClickException(str(error)) from None
        disk, database = here(), None
    else:
        report = measure.of_server(lambda: told(meant, {"command": "status"}))
        disk, database = meant.data_dir, connections(meant)
    health = {**measure.read_health(before, disk).told(), "database": database}
    answer = {**report.told(), "health": health}
    if as_json:
        import json

        click.echo(json.dumps(answer, indent=2))
    else:
        console().print(*view.screen(answer), sep="\n")


def past(meant: Meant, span: str, as_json: bool) -> None:
    """Show what the console of a server has recorded of it. Neither has to run."""
    import json
    import time

    from prefork.instances import history
    from prefork.instances.database import NAME, Database, Unusable
    from prefork.instances.registry import OWN
    from prefork.views import past as view

    file = meant.data_dir / NAME
    if not file.exists():
        raise click.ClickException(f"nothing has been recorded in {meant.data_dir}: the console does that (option console)")
    back, resolution = history.RANGES[span]
    now = time.time()
    try:
        with Database(file) as db:
            samples = [each.told() for each in history.series(db, OWN, now - back, now, resolution)]
            marks = [each._asdict() for each in history.marks(db, OWN, now - back, now)]
    except Unusable as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"range": span, "resolution": resolution, "points": samples, "marks": marks}))
    else:
        console().print(*view.screen(samples, marks, now - back, now), sep="\n")


def connections(meant: Meant) -> dict[str, Any] | None:
    """Those of the server's database, or why they cannot be told; None where there is none."""
    from prefork.store.address import Address
    from prefork.store.census import connections
    from prefork.store.connection import Unavailable, connect, translated

    try:
        settings = meant.read()
    except config.ConfigurationError as error:
        return {"error": f"the configuration has a problem: {error.problems[0]}"}
    if settings.in_file or not (settings.store_dsn or settings.stores):
        return None
    try:
        with connect(Address(settings.store_address), "prefork usage") as connection, translated():
            return connections(connection)
    except Unavailable as reason:
        return {"error": str(reason)}


VERBS = (usage,)
