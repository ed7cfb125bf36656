"""What `prefork health` shows: a word, why it is that one, and how the machine is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from prefork.views.usage import health

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

COLOURS = {"ok": "green", "degraded": "yellow", "unreachable": "red"}


def screen(told: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What to print, from top to bottom."""
    colour = COLOURS[told["status"]]
    yield Text.assemble(("● ", colour), (told["status"], f"bold {colour}"))
    yield from (Text(f"  {reason}") for reason in told["reasons"])
    yield ""
    yield health(told["machine"])
