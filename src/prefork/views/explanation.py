"""`prefork check --explain`: each effective value, where it came from and what it means, in 80 columns or more."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from prefork.config import OPTIONS
from prefork.config.groups import GROUPS
from prefork.config.hosted import printable
from prefork.config.option import declared
from prefork.config.problems import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config import Option, Settings

NAME, VALUE = 26, 28  # columns


def explanation(settings: Settings, width: int) -> Iterator[str]:
    """The lines of the explanation, styled for a terminal."""
    for group in GROUPS:
        yield click.style(group.__name__, bold=True)
        for each in declared(group):
            yield from explained(each, settings, width)
        yield ""
    yield from hosted(settings, width)


def explained(each: Option, settings: Settings, width: int) -> Iterator[str]:
    """One option: its value and source in a line, its meaning below."""
    source = settings.source(each.name)
    value, origin = plain(settings.shown(each.name)), plain(str(source))
    styled = click.style(value, fg=None if source.layer == "default" else "cyan")
    room = " " * max(2, VALUE - len(value))
    yield f"  {each.name:<{NAME}}{styled}{room}{click.style(origin, dim=True)}"
    for line in textwrap.wrap(each.help.replace("`", ""), width - 4, break_on_hyphens=False):
        yield click.style(f"    {line}", dim=True)


def hosted(settings: Settings, width: int) -> Iterator[str]:
    """The application's own keys and sections, without their secrets."""
    kept = {key: text for key, text in settings.host_options.items() if key not in OPTIONS}
    if kept:
        yield click.style("Kept for the application's host", bold=True)
        for key, text in sorted(kept.items()):
            yield f"  {plain(key):<{NAME}}" + textwrap.shorten(plain(printable(key, text)), width - NAME - 2, placeholder=" …")
        yield ""
    if settings.host_sections:
        yield "Sections kept for the application: " + plain(", ".join(f"[{name}]" for name in sorted(settings.host_sections)))
        yield ""
