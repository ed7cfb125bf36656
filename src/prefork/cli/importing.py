"""Coming from another server: `prefork import`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from prefork import config
from prefork.cli.settings import as_lines, here, tell, unwritable
from prefork.cli.terminal import console
from prefork.config.problems import plain
from prefork.config.reader import passes
from prefork.config.texts import content
from prefork.importers import KINDS, Setting, Unreadable, kind_of, read, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.importers import Draft


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write; a new one. Without it the text is printed."
)
@click.option("--from", "kind", type=click.Choice(KINDS), help="Whose file it is, where its name and text do not tell.")
@click.option("--app", metavar="APP", help="The application, where the file does not name it: module:attribute.")
@as_lines
def bring(file: Path, out: Path | None, kind: str | None, app: str | None, as_json: bool) -> None:
    """Make a configuration from another server's.

    FILE is a gunicorn.conf.py, uwsgi.ini, NGINX Unit's JSON, a Procfile, supervisor's file or an odoo.conf; what comes out of a
    pipe counts as a file of the current directory. Each of its settings is shown with what becomes of it. A gunicorn.conf.py is
    read, and only what its text does not tell is found by running it, apart.
    """
    from prefork.views import importing as view

    with lasting(file) as (place, home):
        try:
            kind = kind or kind_of(place)
            draft = read(place, kind, os.environ, home)
        except Unreadable as reason:
            raise click.ClickException(plain(str(reason).replace(str(place.parent), str(file.parent)))) from None
    if app:
        draft.carry(Setting("--app", app), {"app": app})
    made = text(draft, file)
    if out is not None:
        write(made, out)
    if as_json:
        import json

        click.echo(json.dumps(view.answer(draft, kind), indent=2))
        return
    if out is None:
        click.echo(made, nl=False)
    report(draft, kind, out)


@contextmanager
def lasting(file: Path) -> Iterator[tuple[Path, Path]]:
    """The file and its directory; of a pipe, such as a shell's <(…), which can be read once, one of its name with what comes out of
    it, and the current directory.
    """
    try:
        found = content(file) if passes(file) else None
    except OSError as error:
        raise click.ClickException(plain(f"{file}: it cannot be read: {error.strerror or error}")) from None
    if found is None:
        yield file, file.parent
        return
    with TemporaryDirectory() as place:
        copy = Path(place, file.name)
        copy.write_bytes(found)
        yield copy, here()


def write(made: str, out: Path) -> None:
    """Write a new file; one that is there is left alone."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    except FileExistsError:
        raise click.ClickException(f"{out} is there already; name a new file, and compare the two") from None
    except OSError as error:
        unwritable(out, error)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(made)
    except OSError as error:
        out.unlink()
        unwritable(out, error)


def report(draft: Draft, kind: str, out: Path | None) -> None:
    """The findings, and what `prefork check` would say."""
    from prefork.views import importing as view

    screen = console()
    screen.stderr = out is None  # the text is on standard output, for a pipe
    screen.print(*view.screen(draft, kind), sep="\n")
    if out is None:
        return
    click.echo(f"\nWritten to {out}.")
    try:
        config.load(out, {}, os.environ, here())
    except config.ConfigurationError as error:
        tell("warning", error.problems)  # it may be meant for another machine


VERBS = (bring,)
