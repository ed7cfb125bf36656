"""The flags of the command line, made from the declarations of the options, and their help in groups."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING, Any

import click

from prefork.config.groups import GROUPS
from prefork.config.kinds import SWITCH
from prefork.config.settings import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

    from prefork.config import Option

INDENT = 6  # columns before an option's help
NO_BREAK = "\u00a0"  # a space at which textwrap breaks no line


class OptionFlag(click.Option):
    """The flag of one option. Its text is parsed with the other layers, so that all problems show at once."""

    def __init__(self, declaration: Option) -> None:
        switch = declaration.kind is SWITCH
        spellings = [name.replace("_", "-") for name in (declaration.name, *declaration.aliases)]
        flags = [f"--{spelling}/--no-{spelling}" if switch else f"--{spelling}" for spelling in spellings]
        super().__init__([*flags, declaration.name], type=bool if switch else str, default=None)
        self.declaration = declaration
        self.switch = switch

    def help_lines(self) -> Iterator[str]:
        """What the flag looks like, then what it means."""
        spellings = ", ".join(spelling.replace("--", "--[no-]") if self.switch else spelling for spelling in self.opts)
        yield spellings if self.switch else f"{spellings} {self.declaration.kind.metavar}"
        default = f" [{self.declaration.default_words()}]".replace(" [not set]", "")
        yield f"{self.declaration.help}{default}".replace("`", "")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's contract
        """What Tab offers for its value: the words there are to choose from, or files."""
        from click.shell_completion import CompletionItem

        metavar = self.declaration.kind.metavar
        if metavar == "PATH":
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in metavar.split("|") if word.islower() and word.startswith(incomplete)]


FLAGS = [OptionFlag(each) for each in OPTIONS.values() if not each.secret]


class Configured(click.Command):
    """A command that takes every option as a flag and shows them in the groups of their declarations."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params += FLAGS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What stands behind `--` is for Odoo's own command line."""
        if "--" in args:
            end = args.index("--")
            args = [*args[:end], f"--odoo-args={shlex.join(args[end + 1 :])}"]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the groups with the defaults in brackets."""
        with formatter.section("Options"):
            own = [each.get_help_record(ctx) for each in self.get_params(ctx) if type(each) is click.Option]
            formatter.write_dl([record for record in own if record is not None])
        for group in GROUPS:
            with formatter.section(group.__name__):
                for flag in self.params:
                    if isinstance(flag, OptionFlag) and flag.declaration.group == group.__name__:
                        write(flag, formatter)


def write(flag: OptionFlag, formatter: click.HelpFormatter) -> None:
    """Write one flag on a line and its meaning below, indented; a short default stays on one line."""
    head, meaning = flag.help_lines()
    formatter.write(f"{'':>{formatter.current_indent}}{head}\n")
    whole = re.sub(r"\[[^\]]{1,24}\]", lambda match: match[0].replace(" ", NO_BREAK), meaning)
    for line in textwrap.wrap(whole, formatter.width - INDENT, break_on_hyphens=False):
        formatter.write(f"{'':>{INDENT}}{line.replace(NO_BREAK, ' ')}\n")
