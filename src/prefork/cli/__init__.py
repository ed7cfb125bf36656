"""The command line: one verb, one function. It wires the rooms together and decides nothing by itself.

Exit codes of `serve`: 0 stopped, 1 configuration or address unusable, 3 nothing ever became ready. Of the commands to a running
server: 0 done, 1 refused or failed, 2 wrong usage, 4 no server reachable. Rooms are imported by the verb that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from prefork import __version__
from prefork.cli import streams

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


class Verbs(click.Group):
    """The verbs, each imported when it is named: a server keeps in memory, for months, what its command line has imported."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run a command line to its end. What cannot be written is said in a sentence, as far as it can be."""
        streams.open_all()
        with streams.watched():
            try:
                return super().main(*arguments, **named)
            except streams.Unwritten as error:
                streams.end(error)

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


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prefork", message="%(prog)s %(version)s")
def main() -> None:
    """Serve Python web applications with supervised worker processes that lose no request when one dies."""
