"""What a command knows of a server from its file and flags, and how it ends where they cannot be used."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from prefork import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FAILED = 1  # the exit code of what was refused or has failed


@dataclass(frozen=True)
class Meant:
    """The server that a command is about, as its file and directories were given."""

    file: Path | None
    flags: Mapping[str, str]

    @property
    def data_dir(self) -> Path:
        """Its data directory. The rest of the file is not read: it may be in the middle of an edit."""
        try:
            return config.locate(self.file, self.flags, os.environ, here())
        except config.ConfigurationError as error:
            refuse(error.problems)

    def values(self, *names: str) -> dict[str, Any]:
        """Those of a few options, None where nothing gives one. The rest may be wrong: the file may be somebody else's."""
        try:
            return config.values(names, self.file, self.flags, os.environ, here())
        except config.ConfigurationError as error:
            refuse(error.problems)

    @property
    def settings(self) -> config.Settings:
        """All that its file says, or the end of the program."""
        return loaded(self.read)

    def read(self) -> config.Settings:
        """All that its file says. Raises ConfigurationError."""
        return config.load(self.file, self.flags, os.environ, here())


def aimed(function: Callable[..., None]) -> Callable[..., None]:
    """Add what tells which server is meant: its file, or its directories. The function gets them as `meant`."""

    @wraps(function)
    def aim(*arguments: Any, file: Path | None, app_dir: str | None, data_dir: str | None, **named: Any) -> None:
        flags = {name: text for name, text in (("app_dir", app_dir), ("data_dir", data_dir)) if text is not None}
        function(*arguments, meant=Meant(file, flags), **named)

    command = click.option("--app-dir", metavar="PATH", help="The application's directory, as given to serve.")(aim)
    command = click.option("--data-dir", metavar="PATH", help="The server's data directory, as given to serve.")(command)
    return click.option(
        "-c", "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The server's configuration file."
    )(command)


def as_lines(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flag for programs that read."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


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


def unwritable(place: Path, error: OSError) -> NoReturn:
    """End the program because of a file that it cannot write: the one that the error names, or that of `place`."""
    raise click.ClickException(f"{error.filename or place} cannot be written: {(error.strerror or str(error)).lower()}") from None


def refuse(problems: Iterable[config.Problem]) -> NoReturn:
    """End the program because of its configuration."""
    tell("error", problems)
    sys.exit(FAILED)


def tell(level: str, problems: Iterable[config.Problem]) -> None:
    """Print problems to standard error, one a line."""
    label = click.style(level, fg="red" if level == "error" else "yellow", bold=True)
    for problem in problems:
        click.echo(f"{label}: {problem}", err=True)
