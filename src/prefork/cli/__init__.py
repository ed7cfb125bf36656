"""The command line: one verb, one function. It wires the rooms together and decides nothing by itself.

Exit codes of `serve`: 0 stopped, 1 configuration or address unusable, 3 nothing ever became ready. Of the commands to a running
server: 0 done, 1 refused or failed, 2 wrong usage, 4 no server reachable. Rooms are imported by the verb that needs them.
"""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from importlib import import_module
from typing import Any, NoReturn

import click

from prefork import __version__

# The modules of this room, and the verbs in each.
VERBS = {
    "application": ("serve", "check"),
    "running": ("status", "workers", "health", "reload", "stacks", "retire", "scale", "stop"),
    "top": ("top",),
    "monitors": ("routes", "metrics"),
    "usage": ("usage",),
    "advice": ("advise", "simulate"),
    "incidents": ("incidents",),
    "jobs": ("migrate", "jobs"),
    "sizing": ("size",),
    "around": ("render",),
    "lab": ("lab",),
    "importing": ("import",),
    "doctor": ("doctor",),
    "database": ("db",),
    "console": ("console",),
    "completion": ("completion",),
}
HOMES = {verb: home for home, verbs in VERBS.items() for verb in verbs}
STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))  # by their descriptors
UNWRITABLE = frozenset((EDQUOT, EFBIG, EIO, ENOSPC))  # a disk that is full or broken, or a terminal that has gone


class Verbs(click.Group):
    """The verbs, each imported when it is named: a server keeps in memory, for months, what its command line has imported."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run a command line to its end. What cannot be written is said in a sentence, as far as it can be."""
        open_standard()
        try:
            return super().main(*arguments, **named)
        except OSError as error:
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            unwritable(error)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click names it
        """Their names, in the order of the alphabet."""
        return sorted(HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click names it
        """The verb of that name; None where there is none."""
        if cmd_name not in HOMES:
            return None
        verbs: tuple[click.Command, ...] = import_module(f"prefork.cli.{HOMES[cmd_name]}").VERBS
        return next(verb for verb in verbs if verb.name == cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that a command line begins with. Raises UsageError with the one that may be meant."""
        name = args[0]
        if name not in HOMES and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # here, as in `config.layers`: few need it

            near = get_close_matches(name, HOMES, 1)
            raise click.UsageError(f"there is no command {name}" + (f"; did you mean {near[0]}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


def open_standard() -> None:
    """Have input, output and error lead nowhere where they are closed: what is opened first would take their place."""
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def unwritable(error: OSError) -> NoReturn:
    """End because the output takes no more. What is left of it must not be tried again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    click.echo(f"prefork: the output cannot be written: {(error.strerror or str(error)).lower()}", err=True)
    sys.exit(1)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prefork", message="%(prog)s %(version)s")
def main() -> None:
    """Serve Python web applications with supervised worker processes that lose no request when one dies."""
