"""An application and its configuration, before anything runs: `serve` and `check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefork import cgroups, compiled, config
from prefork.cli.flags import Configured
from prefork.cli.settings import here, loaded, refuse, tell
from prefork.config import layout
from prefork.config.loans import obstacles
from prefork.config.problems import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def configured(function: Callable[..., None]) -> Callable[..., None]:
    """Add what `serve` and `check` share: the application and the file."""
    function = click.option(
        "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file."
    )(function)
    return click.argument("application", required=False, metavar="[APP]")(function)


@click.command(cls=Configured)
@configured
def serve(file: Path | None, application: str | None, **flags: Any) -> None:
    """Serve an application in the foreground until it is stopped.

    APP is module:attribute, or module:factory() for a function that makes the application. Where neither it nor the file names one,
    the one that the directory holds is served: Django's, Flask's, FastAPI's, or whatever wsgi.py, app.py or main.py has.
    """
    given, cwd = completed(file, texts(application, flags)), here()

    def reread() -> config.Settings:
        return config.load(file, given, os.environ, cwd)

    settings = loaded(reread)
    if problems := config.unservable(settings):
        refuse(problems)
    tell("warning", config.warnings(settings, config.read_machine()))
    if settings.stop_after_init:
        from prefork.master.rehearsal import rehearse

        sys.exit(rehearse(settings))
    from prefork.master.serve import serve as run

    sys.exit(run(settings, reread))


@click.command(cls=Configured)
@configured
@click.option("--explain", is_flag=True, help="Show each effective value, where it came from and what it means.")
def check(file: Path | None, application: str | None, explain: bool, **flags: Any) -> None:
    """Check the configuration; show every problem at once.

    Nothing is started. The exit code is 0 when the configuration can be used, else 1.
    """
    given = completed(file, texts(application, flags))
    settings = loaded(lambda: config.load(file, given, os.environ, here()))
    if explain:
        from shutil import get_terminal_size

        from prefork.views.explanation import explanation

        for line in explanation(settings, min(get_terminal_size().columns, 100)):
            click.echo(line)
        click.echo(form(settings.compiled, len(compiled.modules()), compiled.changed()))
        click.echo(reading(settings))
    if settings.odoo and settings.host_options:
        click.echo(f"Left to Odoo: {plain(', '.join(sorted(settings.host_options)))}.")
    found = [*config.for_development(settings), *config.warnings(settings, config.read_machine())]
    tell("warning", found)
    try:
        ground = cgroups.find(settings.cgroup)
        click.echo(f"Started from here, workers would get a fuse: control groups below {ground.path} (version {ground.version}).")
    except cgroups.Unavailable as reason:
        click.echo(f"Started from here, workers would get no fuse of the kernel's: {reason}.")
    click.echo(f"The configuration can be used ({len(found)} warning{'' if len(found) == 1 else 's'}).")


def form(wanted: bool, count: int, changed: list[str]) -> str:
    """In which form the dispatcher would run, given how many modules are compiled here, and which of them are `changed` since."""
    if not count:
        return "The dispatcher runs from source: nothing is compiled for this interpreter here."
    if changed:
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        return (
            f"The dispatcher runs from source: {changed[0]}{more} changed since {count} modules were compiled here (make compiled)."
        )
    return f"The dispatcher runs {'compiled' if wanted else 'from source (compiled = False)'}: {count} modules are compiled here."


def reading(settings: config.Settings) -> str:
    """Who would read requests."""
    if not settings.lend_connections:
        return "The dispatcher reads every request (lend_connections = False)."
    if found := obstacles(settings):
        return f"The dispatcher reads every request: connections are not lent with {' and '.join(found)}."
    return (
        "Workers read requests of TCP connections themselves, where the application's Python has the version of Prefork's, "
        "and no other httptools."
    )


def texts(application: str | None, flags: Mapping[str, Any]) -> dict[str, str]:
    """The given flags as text for the configuration; the application's name is the option `app`."""
    given = {name: str(value) for name, value in flags.items() if value is not None}
    if application is not None and given.setdefault("app", application) != application:
        raise click.UsageError(f"the application is named twice, as {application} and as --app {given['app']}; name it once")
    return given


def completed(file: Path | None, given: dict[str, str]) -> dict[str, str]:
    """The flags, and the application that the directory holds where nobody has named one."""
    try:
        settings = config.load(file, given, os.environ, here())
    except config.ConfigurationError as error:
        settings = error.settings  # what is wrong is said by whoever loads it with what is found here
    if settings.app or settings.odoo or not settings.http_enable:
        return given
    found = layout.detect(settings.app_dir)
    if found is None:
        said = f"no application in {settings.app_dir}: {layout.missing(settings.app_dir)}"
        click.echo(f"{click.style('found', fg='yellow', bold=True)}: {said}", err=True)
        return given
    said = found.sentence("python" in settings.sources)
    click.echo(f"{click.style('found', fg='green', bold=True)}: {said}", err=True)
    python = {"python": str(found.python)} if found.python and "python" not in settings.sources else {}
    return {**given, "app": found.app, **python}


VERBS = (serve, check)
