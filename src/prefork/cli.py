"""The command line: one verb, one function. It wires the rooms together and decides nothing by itself.

Exit codes of `serve`: 0 stopped, 1 configuration or address unusable, 3 nothing ever became ready. Of the commands to a running
server: 0 done, 1 refused or failed, 2 wrong usage, 4 no server reachable. Rooms are imported by the verb that needs them.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from prefork import __version__, cgroups, config
from prefork.config import embedded
from prefork.control.client import Unreachable, ask
from prefork.incidents import Ledger
from prefork.views.flags import Configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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


def as_lines(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flag for programs that read."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


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
    try:
        ground = cgroups.find(settings.cgroup)
        click.echo(f"Started from here, workers would get a fuse: control groups below {ground.path} (version {ground.version}).")
    except cgroups.Unavailable as reason:
        click.echo(f"Started from here, workers would get no fuse of the kernel's: {reason}.")
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
@click.argument("workers", type=click.IntRange(0, 512), metavar="N")
@click.option("--pool", default="http", metavar="NAME", help="Which workers: http, cron for those that run jobs, or websocket.")
@aimed
def scale(workers: int, pool: str, file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Set the number of workers until the next reload or restart."""
    told(server(file, app_dir, data_dir), {"command": "scale", "pool": pool, "workers": workers})
    click.echo(f"The server will have {counted(workers, 'worker')}" + (f" in pool {pool}." if pool != "http" else "."))


@main.command()
@aimed
def stop(file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Stop a server after its current requests."""
    told(server(file, app_dir, data_dir), {"command": "stop"})
    click.echo("The server is stopping.")


@main.command()
@aimed
def migrate(file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Bring the store's schema up to date.

    Servers do that at their start; this is for those whose role may not.
    """
    from prefork.store import schema

    with store(file, app_dir, data_dir) as connection:
        applied = schema.prepare(connection)
    for each in applied:
        click.echo(f"Applied migration {each.version} ({each.name}).")
    if not applied:
        click.echo("The schema is up to date.")


@main.group()
def jobs() -> None:
    """Show scheduled jobs, and run, pause and resume them."""


@jobs.command("list")
@aimed
@as_lines
def jobs_list(file: Path | None, app_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """List every job: when it is due, and how it fared last."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(file, app_dir, data_dir) as connection:
        found = board.listed(connection)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("No job has been declared yet: the first start with the option jobs does that.")
    else:
        console().print(view.listing(found, datetime.now(UTC)))


@jobs.command("show")
@click.argument("name")
@aimed
@as_lines
def jobs_show(name: str, file: Path | None, app_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """Show everything about a job."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(file, app_dir, data_dir) as connection:
        job = the_job(connection, name)
        running, history = board.running(connection, job["name"]), board.history(connection, job["name"], 10)
    if as_json:
        click.echo(view.as_json({**job, "runs": running, "history": history}))
    else:
        console().print(*view.details(job, running, history, datetime.now(UTC)), sep="\n")


@jobs.command("history")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 100_000), default=LATEST, help="How many.", show_default=True)
@aimed
@as_lines
def jobs_history(name: str | None, limit: int, file: Path | None, app_dir: str | None, data_dir: str | None, as_json: bool) -> None:
    """Show what has been done, the latest first."""
    from prefork.store import board
    from prefork.views import jobs as view

    with store(file, app_dir, data_dir) as connection:
        found = board.history(connection, the_job(connection, name)["name"] if name else None, limit)
    if as_json:
        click.echo(view.as_json(found))
    elif not found:
        click.echo("Nothing has been done yet.")
    else:
        console().print(view.past(found, datetime.now(UTC)))


@jobs.command("run")
@click.argument("name")
@aimed
def jobs_run(name: str, file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Have a job run now, whatever its schedule."""
    from prefork.store import board

    with store(file, app_dir, data_dir) as connection:
        job = the_job(connection, name)["name"]
        click.echo(f"Run {board.run(connection, job)} of {job} is due.")


@jobs.command("pause")
@click.argument("name")
@aimed
def jobs_pause(name: str, file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Let a recurring job rest until it is resumed."""
    from prefork.store import board

    with store(file, app_dir, data_dir) as connection:
        job = the_job(connection, name)["name"]
        board.pause(connection, job)
    click.echo(f"{job} is paused; `prefork jobs resume {name}` lets it go on.")


@jobs.command("resume")
@click.argument("name")
@aimed
def jobs_resume(name: str, file: Path | None, app_dir: str | None, data_dir: str | None) -> None:
    """Let a job go on that was paused, or deactivated because it failed."""
    from prefork.store import board

    with store(file, app_dir, data_dir) as connection:
        job = the_job(connection, name)["name"]
        board.resume(connection, job)
    click.echo(f"{job} goes on.")


@contextmanager
def store(file: Path | None, app_dir: str | None, data_dir: str | None) -> Iterator[Any]:
    """A connection to the store of a server, or the end of the program with what is in the way."""
    from prefork.store.address import Address
    from prefork.store.connection import Unavailable, connect, translated

    flags = {name: text for name, text in (("app_dir", app_dir), ("data_dir", data_dir)) if text is not None}
    settings = loaded(lambda: config.load(file, flags, os.environ, here()))
    where = Address(settings.store_dsn or embedded.address_in(settings.data_dir))
    try:
        with connect(where, "prefork jobs") as connection, translated():
            yield connection
    except Unavailable as error:
        raise click.ClickException(str(error)) from None


def the_job(connection: Any, name: str) -> dict[str, Any]:
    """The one job that a name means, which may be the end of its full one."""
    from prefork.store import board

    found = board.listed(connection, name)
    exact = [job for job in found if job["name"] == name] or found
    if len(exact) != 1:
        names = ", ".join(job["name"] for job in found)
        said = f"{name} could be {names}" if found else f"there is no job {name}; `prefork jobs list` shows them all"
        raise click.ClickException(said)
    return exact[0]


def console() -> Any:
    """Where tables are drawn: as wide as the terminal, or as they like where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


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
