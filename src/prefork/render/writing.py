"""How a template becomes a file's text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def environment() -> Environment:
    """Where templates come from. A name that nobody has given is an error, never an empty place in a file."""
    found = Environment(
        loader=PackageLoader("prefork.render"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  these are no web pages; what goes in has been checked by `topology`
    )
    found.filters["megabytes"] = lambda count: f"{count >> 20}MB"
    found.filters["mebibytes"] = lambda count: f"{count >> 20}Mi"
    return found


def text(template: str, facts: Mapping[str, object]) -> str:
    """A file as it is written: no line ends in a space, and none is empty twice."""
    lines = [line.rstrip() for line in environment().get_template(template).render(facts).splitlines()]
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(kept).rstrip("\n") + "\n"
