"""`prefork doctor`: what is wrong with a server and what stands around it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from prefork import config
from prefork.cli.numbers import Number, Whole
from prefork.cli.settings import FAILED, as_lines, unwritable

BLIND = 2  # the exit code where nothing could be looked at


@click.command()
@click.option("--url", metavar="URL", help="The site as users reach it, through its proxy.")
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The server's file: odoo.conf, or Prefork's own.",
)
@click.option("--nginx", type=click.Path(path_type=Path), metavar="FILE", help="nginx.conf, or one site of it.")
@click.option("--dsn", metavar="DSN", help="The database, through its pooler if there is one.")
@click.option("--pid", type=Whole(1), metavar="MASTER", help="The master of a running server: Odoo's own, or any.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="PATH", help="The data directory of a running Prefork.")
@click.option(
    "--stress",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="REPORT",
    help="Put load and memory on a Prefork of your own on this machine, and write an HTML report.",
)
@click.option("--seconds", type=Number(0.1, 60), default=5, show_default=True, help="With --stress: of each load.")
@click.option("--all", "every", is_flag=True, help="Show what has passed, too.")
@as_lines
def doctor(
    url: str | None,
    file: Path | None,
    nginx: Path | None,
    dsn: str | None,
    pid: int | None,
    data_dir: Path | None,
    stress: Path | None,
    seconds: float,
    every: bool,
    as_json: bool,
) -> None:
    """Find what is wrong with a server and around it, and the fix.

    Works on a running Prefork and on Odoo's own server with its files. Nothing is changed. The exit status is 0 where nothing
    failed, 1 where something did, 2 where nothing could be looked at.
    """
    if stress:
        strain(url, file, stress, seconds)
        return
    from prefork.doctor import Asked, examine, gather

    if not (file or url or dsn or nginx or pid or data_dir):
        file = config.config_file(None, os.environ, Path.cwd())
    asked = Asked(file, url, nginx, dsn, pid, data_dir)
    report = examine(gather(asked), asked.places())
    told = [each.told() for each in report.verdicts]
    if as_json:
        import json

        click.echo(json.dumps(told, indent=2))
    else:
        from rich.console import Console

        from prefork.views.doctor import screen

        console = Console(highlight=False, width=None if sys.stdout.isatty() else 80)
        about = {each.check.name: each.check.about for each in report.verdicts}
        lines = screen(told, about, [missing for _, missing in report.unrun], console.width, every=every)
        console.print(*lines, sep="\n", soft_wrap=True)
    if report.blind:
        click.echo("prefork: nothing could be looked at; name a file, a site, a database or a process (--help)", err=True)
        sys.exit(BLIND)
    if report.count("fail"):
        sys.exit(FAILED)


def strain(url: str | None, file: Path | None, report: Path, seconds: float) -> None:
    """Make the tuning audit, and write its report."""
    import time

    from prefork.doctor import audit

    if url is None or file is None:
        raise click.UsageError("--stress needs the running server's file (--config) and its address on this machine (--url)")
    try:
        made = audit.audit(url, file, seconds, time.sleep)
        report.write_text(audit.report(made), encoding="utf-8")
    except audit.Unfit as reason:
        raise click.ClickException(str(reason)) from None
    except OSError as error:
        unwritable(report, error)
    click.echo(f"{report}: {made.workers} workers before, {made.sizing.workers} advised; what binds is {made.sizing.binding}.")


VERBS = (doctor,)
