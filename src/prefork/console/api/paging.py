"""What the calls have in common: cursors, and the errors that each of them may answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Path, Query

from prefork.console.models import LARGEST, Page, Problem
from prefork.console.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")

SAID = {
    400: "The request cannot be read.",
    401: "Nobody knows who asks.",
    403: "It takes another role.",
    404: "There is no such thing, or it is not yours to see.",
    405: "It cannot be done with this.",
    409: "It cannot be done now, or not here.",
    411: "A body comes with its length.",
    413: "The body is too large.",
    422: "It is not valid; `errors` says what is wrong with each member.",
    429: "Too many requests; Retry-After says when to come again.",
    501: "The instance is on another machine.",
    503: "The server does not answer, or the console's own file cannot be used.",
}
SCHEMA = {"schema": {"$ref": "#/components/schemas/Problem"}}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": said, "content": {MEDIA_TYPE: SCHEMA}} for status, said in SAID.items()
}

Limit = Annotated[int, Query(ge=1, le=500, description="The most items.")]
Cursor = Annotated[int | None, Query(ge=0, le=LARGEST, description="`next` of the part before.")]
Number = Annotated[int, Path(ge=1, le=LARGEST)]
InstanceId = Annotated[
    str,
    Path(description="An instance; `default` is the server that has started the console.", max_length=63, examples=["default"]),
]


def part(items: Sequence[Item], limit: int, cursor: int | None) -> Page[Item]:
    """A part of a list that is there as a whole: its cursor is how many come before it."""
    first = cursor or 0
    return Page(items=list(items[first : first + limit]), next=first + limit if len(items) > first + limit else None)
