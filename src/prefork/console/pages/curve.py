"""The memory of a worker before its end as a small picture, pure: coordinates for an SVG without a style of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 600, 100


class Curve(NamedTuple):
    """The `line` and the `area` below it as path data; `limits` are heights; `lowest`, `highest` bytes; `seconds` its length."""

    line: str
    area: str
    limits: dict[str, float]
    lowest: int
    highest: int
    seconds: float


def curve(points: Sequence[tuple[float, int]], limits: dict[str, int]) -> Curve | None:
    """Points are (seconds, bytes); limits that lie within twice the highest are drawn. None below two points."""
    if len(points) < 2:
        return None
    start, end = points[0][0], points[-1][0]
    sizes = [size for _, size in points]
    near = {name: limit for name, limit in limits.items() if 0 < limit < 2 * max(sizes)}
    top = 1.08 * max([*sizes, *near.values(), 1])
    length = (end - start) or 1.0
    drawn = [f"{WIDTH * (at - start) / length:.1f},{HEIGHT * (1 - size / top):.1f}" for at, size in points]
    line = "M" + "L".join(drawn)
    heights = {name: round(HEIGHT * (1 - limit / top), 1) for name, limit in near.items()}
    return Curve(line, f"{line}L{WIDTH},{HEIGHT}L0,{HEIGHT}Z", heights, min(sizes), max(sizes), length)
