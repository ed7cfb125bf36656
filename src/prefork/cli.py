"""The command line: one verb, one function. It wires the rooms together and decides nothing by itself.

Exit codes of `serve`: 0 stopped, 1 configuration or address unusable, 3 nothing ever became ready. Of the commands to a running
server: 0 done, 1 refused or failed, 2 wrong usage, 4 no server reachable. Rooms are imported by the verb that needs them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from prefork import __version__, config
from prefork.control.client import Unreachable, ask
from prefork.incidents import Ledger
from prefork.views.flags import Configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FAILED, UNREACHABLE = 1, 4
MOMENT = 10.0  # seconds a server may take to answer a question
LATEST = 50  # incidents in a list
RELOAD_LIMIT = 3600.0  # seconds a reload may take: the server's own time limits decide long before


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prefork", message="%(prog)s %(version)s")
def main() -> None:
    """Serve Python web applications with supervised worker processes that lose no request when one dies."""


def configured(function: Callable[..., None]) -> Callable[..., None]:
    """Add what `serve` and `check` share: the application and the file."""
    function = click.option(
        "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file."
    )(function)
    return click.argument("application", required=False, metavar="[APP]")(function)


def aimed(function: Callable[..., None]) -> Callable[..., None]:
    """Add what finds a running server: its file, or its directories."""
    function = click.option("--app-dir", metavar="PATH", help="The application's directory, as given to serve.")(function)
    function = click.option("--data-dir", metavar="PATH", help="The server's data directory, as given to serve.")(function)
    return click.option(
        "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The server's configuration file."
    )(function)


@main.command(cls=Configured)
@configured
def serve(file: Path | None, application: str | None, **flags: Any) -> None:
    """Serve an application in the foreground until it is stopped.

    APP is module:attribute, or module:factory() for a function that makes the application.
    """
    given, cwd = texts(application, flags), here()

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


@main.command(cls=Configured)
@configured
@click.option("--explain", is_flag=True, help="Show each effective value, where it came from and what it means.")
def check(file: Path | None, application: str | None, explain: bool, **flags: Any) -> None:
    """Check the configuration; show every problem at once.

    Nothing is started. The exit code is 0 when the configuration can be used, else 1.
    """
    given = texts(application, flags)
    settings = loaded(lambda: config.load(file, given, os.environ, here()))
    if explain:
        from prefork.views.explanation import explanation

        for line in explanation(settings, min(shutil.get_terminal_size().columns, 100)):
            click.echo(line)
    if settings.odoo and settings.host_options:
        click.echo(f"Left to Odoo: {', '.join(sorted(settings.host_options))}.")
    found = [*config.for_development(settings), *config.warnings(settings, config.read_machine())]
    tell("warning", found)
    click.echo(f"The configuration can be used ({counted(len(found), 'warning')}).")


@main.command()
@aimed
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as JSON.")
def status(file: Path | None, app_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """Show a server's workers, queue and requests."""
    answer = told(server(file, app_dir, data_dir), {"command": "status"})
    if as_json:
        import json

        click.echo(json.dumps(answer, indent=2))
        return
    from rich.console import Console

    from prefork.views.status import screen

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(*screen(answer), sep="\n")


@main.command()
@aimed
def reload(file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Load the application's new code without dropping a request.

    If the new code fails to load or to get ready, the old code stays and the traceback is shown.
    """
    answer = told(server(file, app_dir, data_dir), {"command": "reload"}, RELOAD_LIMIT)
    click.echo(f"Reloaded in {answer['seconds']:.1f} s: the server is at generation {answer['generation']}.")
    if waiting := answer["restart_needed"]:
        click.echo(f"These changes take effect with a restart: {', '.join(waiting)}.", err=True)


@main.command()
@click.argument("incident", required=False, metavar="[ID]")
@aimed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def incidents(incident: str | None, file: Path | None, app_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """Show which workers were lost and why.

    ID shows everything about one: an incident's, or a request's. The server need not be running.
    """
    place = server(file, app_dir, data_dir).parent
    try:
        found = [each for each in Ledger(place).read() if incident is None or incident in each.names()]
    except OSError as error:
        raise click.ClickException(f"the incidents in {place} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if incident is not None and not found:
        raise click.ClickException(f"there is no incident {incident} in {place}; `prefork incidents` lists those that are kept")
    if as_json:
        for each in found:
            click.echo(each.as_json())
        return
    if not found:
        click.echo("No incident is kept: no worker has ended that was not asked to.")
        return
    from rich.console import Console

    from prefork.views.incidents import details, listing

    wide = not sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=wide)
    if incident is None:
        console.print(*listing(found[-LATEST:]), sep="\n", no_wrap=True, overflow="ignore" if wide else "ellipsis")
    else:
        console.print(*details(found), sep="\n")


@main.command()
@aimed
def stacks(file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Show what each thread of each worker is doing."""
    for worker in told(server(file, app_dir, data_dir), {"command": "stacks"})["workers"]:
        click.echo(f"{worker['worker']} (pid {worker['pid']})\n{worker['stacks']}")


@main.command()
@click.argument("workers", type=click.IntRange(1, 512), metavar="N")
@aimed
def scale(workers: int, file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Set the number of HTTP workers until the next reload or restart."""
    told(server(file, app_dir, data_dir), {"command": "scale", "workers": workers})
    click.echo(f"The server will have {counted(workers, 'worker')}.")


@main.command()
@aimed
def stop(file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Stop a server after its current requests."""
    told(server(file, app_dir, data_dir), {"command": "stop"})
    click.echo("The server is stopping.")


def texts(application: str | None, flags: Mapping[str, Any]) -> dict[str, str]:
    """The given flags as text for the configuration; the application's name is the option `app`."""
    given = {name: str(value) for name, value in flags.items() if value is not None}
    if application is not None and given.setdefault("app", application) != application:
        raise click.UsageError(f"the application is named twice, as {application} and as --app {given['app']}; name it once")
    return given


def here() -> Path:
    """The current directory, which somebody may have removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise click.ClickException("the current directory no longer exists; change to one that does") from None


def loaded(load: Callable[[], config.Settings]) -> config.Settings:
    """The settings, or the end of the program with every problem on standard error."""
    try:
        return load()
    except config.ConfigurationError as error:
        tell("warning", config.warnings(error.settings, config.read_machine(), error.broken))
        refuse(error.problems)


def refuse(problems: Iterable[config.Problem]) -> NoReturn:
    """End the program because of its configuration."""
    tell("error", problems)
    sys.exit(FAILED)


def tell(level: str, problems: Iterable[config.Problem]) -> None:
    """Print problems to standard error, one a line."""
    label = click.style(level, fg="red" if level == "error" else "yellow", bold=True)
    for problem in problems:
        click.echo(f"{label}: {problem}", err=True)


def server(file: Path | None, app_dir: str | None, data_dir: str | None) -> Path:
    """The control socket of the server meant. Only its place is read: the rest of the file may be in the middle of an edit."""
    flags = {name: text for name, text in (("app_dir", app_dir), ("data_dir", data_dir)) if text is not None}
    try:
        return config.locate(file, flags, os.environ, here()) / config.CONTROL_SOCKET
    except config.ConfigurationError as error:
        refuse(error.problems)


def told(socket_path: Path, request: Mapping[str, object], timeout: float = MOMENT) -> dict[str, Any]:
    """The server's answer to a command, or the end of the program with what went wrong."""
    try:
        answer = ask(socket_path, request, timeout)
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


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
