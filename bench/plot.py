"""A line for each server, drawn as SVG: axes, grid, legend. Pure: points in, text out.

The picture has a white ground of its own, so that it can be read on pages of any colour.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 820, 380
LEFT, RIGHT, TOP, BOTTOM = 66, 150, 20, 48  # the margins
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#555555")  # told apart by the colour-blind, too
STEPS = 5  # lines of the grid, about
BEGIN = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">'


def drawing(curves: Mapping[str, Points], across: str, up: str) -> str:
    """The picture of curves by name; `across` and `up` say what the axes are. Values begin at 0."""
    right = max((x for points in curves.values() for x, _ in points), default=1) or 1
    step = round_step(max((y for points in curves.values() for _, y in points), default=1) or 1)
    top = step * math.ceil(max((y for points in curves.values() for _, y in points), default=1) / step)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [BEGIN, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for value in multiples(step, top):
        (x, y), end = place(0, value), place(right, value)[0]
        parts.append(f'<line x1="{x:.0f}" y1="{y:.1f}" x2="{end:.0f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(words(x - 8, y + 4, f"{value:g}", "end"))
    for value in multiples(round_step(right), right):
        x, y = place(value, 0)
        parts.append(words(x, y + 18, f"{value:g}", "middle"))
    parts += [words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, "middle"), turned(16, (TOP + HEIGHT - BOTTOM) / 2, up)]
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(words(WIDTH - RIGHT + 12, TOP + 14 + 20 * number, name, "start", colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


def round_step(largest: float) -> float:
    """A round distance of the grid's lines: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(largest / STEPS))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * STEPS >= largest)


def multiples(step: float, largest: float) -> list[float]:
    """0, step, … up to the largest."""
    return [step * number for number in range(int(largest / step + 1e-9) + 1)]


def words(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    """A piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def turned(x: float, y: float, text: str) -> str:
    """A piece of text that reads from below."""
    return f'<text transform="translate({x:.0f} {y:.0f}) rotate(-90)" text-anchor="middle" fill="#333">{escape(text)}</text>'
