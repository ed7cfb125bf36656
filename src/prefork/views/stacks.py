"""`prefork stacks`: what each thread of each worker is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from prefork.config.problems import plain
from prefork.views.incidents import frames
from prefork.views.status import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType


def listing(workers: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """One worker after the other, each with its state, for an answer to the `stacks` command."""
    for number, worker in enumerate(workers):
        if number:
            yield ""
        state = worker["state"]
        yield Text.assemble((worker["worker"], "bold"), f" (pid {worker['pid']}): ", (plain(state), COLOURS.get(state, "")))
        yield frames(worker["stacks"])
