"""Pictures of forks, drawn from a handful of measures: one outline, as inline SVG for pages and as points for print.

Pure: a shape in, lines out. Carries no style attributes, because the pages' content policy forbids them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 160.0, 320.0
MIDDLE = WIDTH / 2
BOTTOM = 296.0
ROUND = 0.5523  # how far a cubic curve's handles reach to look like a quarter of a circle

Segment = tuple[Any, ...]  # ("M" | "L", x, y) or ("C", x1, y1, x2, y2, x, y)

GRIPS = {"wood": ("#8a5a34", "#b98152", "#6e4526"), "red": ("#b3261e", "#e5544b", "#8c1a14")}


@dataclass(frozen=True)
class Shape:
    """The measures of a fork in units of a 160 × 320 picture; `gap` is relative to a tine's width."""

    tines: int
    width: float
    tine: float
    head: float
    neck: float
    handle: float
    gap: float = 0.75
    tip: float = 1.0  # 1 is round, more is pointed
    bowl: float = 0.0  # 0 tapers into the neck, 0.5 is a round shoulder
    top: float = 24.0
    grip: str = ""
    grip_length: float = 0.0


def outline(shape: Shape) -> list[Segment]:
    """Return the closed outline, clockwise from the left shoulder, y downwards."""
    root = shape.top + shape.tine
    thick = shape.width / (shape.tines + (shape.tines - 1) * shape.gap)
    gap = thick * shape.gap
    left, right = MIDDLE - shape.width / 2, MIDDLE + shape.width / 2
    shoulder = root - gap / 2
    path: list[Segment] = [("M", left, shoulder)]
    for number in range(shape.tines):
        x = left + number * (thick + gap)
        path += _tip(x, shape.top, thick, shape.tip)
        if number < shape.tines - 1:
            path += _valley(x + thick, root, gap)
    path.append(("L", right, shoulder))
    return path + _handle(shape, left, right, shoulder, root + shape.head)


def _tip(x: float, top: float, thick: float, tip: float) -> list[Segment]:
    radius = thick / 2
    reach = radius * tip
    rise, lean = reach * (1 - ROUND), radius * (1 - ROUND)
    return [
        ("L", x, top + reach),
        ("C", x, top + rise, x + lean, top, x + radius, top),
        ("C", x + thick - lean, top, x + thick, top + rise, x + thick, top + reach),
    ]


def _valley(x: float, root: float, gap: float) -> list[Segment]:
    radius = gap / 2
    pull = radius * ROUND
    return [
        ("L", x, root - radius),
        ("C", x, root - radius + pull, x + radius - pull, root, x + radius, root),
        ("C", x + radius + pull, root, x + gap, root - radius + pull, x + gap, root - radius),
    ]


def _handle(shape: Shape, left: float, right: float, shoulder: float, neck_y: float) -> list[Segment]:
    near, far = MIDDLE - shape.neck / 2, MIDDLE + shape.neck / 2
    wide = shape.handle / 2
    fall = neck_y - shoulder
    spread = (right - far) * shape.bowl
    lift = fall * 0.45 * (1 - shape.bowl)
    end = BOTTOM - wide
    swell = (end - neck_y) * 0.55
    pull = wide * ROUND
    return [
        ("C", right, shoulder + fall * 0.6, far + spread, neck_y - lift, far, neck_y),
        ("C", far, neck_y + swell, MIDDLE + wide, end - swell, MIDDLE + wide, end),
        ("C", MIDDLE + wide, end + pull, MIDDLE + pull, BOTTOM, MIDDLE, BOTTOM),
        ("C", MIDDLE - pull, BOTTOM, MIDDLE - wide, end + pull, MIDDLE - wide, end),
        ("C", MIDDLE - wide, end - swell, near, neck_y + swell, near, neck_y),
        ("C", near - spread, neck_y - lift, left, shoulder + fall * 0.6, left, shoulder),
    ]


@lru_cache(maxsize=64)
def svg(shape: Shape, name: str, label: str = "") -> Markup:
    """Return the picture; `name` makes its gradients' ids unique on the page, `label` is read to blind visitors."""
    drawn = " ".join(f"{kind}{' '.join(f'{n:.1f}' for n in numbers)}" for kind, *numbers in outline(shape)) + "Z"
    role = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup(
        '<svg class="fork" viewBox="0 0 160 320" {role}><defs>{steel}</defs>'
        '<path class="shade" d="{drawn}" transform="translate(7 9)"/>'
        '<path d="{drawn}" fill="url(#{name}-steel)"/>{grip}</svg>'
    ).format(role=role, steel=_steel(shape, name), drawn=drawn, name=name, grip=_grip(shape, name))


def _steel(shape: Shape, name: str) -> Markup:
    half = max(shape.width, shape.handle) / 2
    return Markup(
        '<linearGradient id="{}-steel" gradientUnits="userSpaceOnUse" x1="{:.1f}" y1="20" x2="{:.1f}" y2="300">'
        '<stop offset="0" stop-color="#e6e9ec"/><stop offset=".3" stop-color="#aeb5bc"/>'
        '<stop offset=".46" stop-color="#eef0f2"/><stop offset=".7" stop-color="#9aa2aa"/>'
        '<stop offset="1" stop-color="#d5d9dd"/></linearGradient>'
    ).format(name, MIDDLE - half, MIDDLE + half)


def _grip(shape: Shape, name: str) -> Markup:
    if not shape.grip:
        return Markup("")
    dark, light, deep = GRIPS[shape.grip]
    wide, top = shape.handle + 5, BOTTOM - shape.grip_length
    return Markup(
        '<linearGradient id="{name}-grip"><stop offset="0" stop-color="{dark}"/>'
        '<stop offset=".4" stop-color="{light}"/><stop offset="1" stop-color="{deep}"/></linearGradient>'
        '<rect x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" rx="{round:.1f}" fill="url(#{name}-grip)"/>'
        '<rect x="{x:.1f}" y="{ring:.1f}" width="{wide:.1f}" height="5" fill="#d9b98c" opacity=".75"/>'
    ).format(
        name=name, dark=dark, light=light, deep=deep, x=MIDDLE - wide / 2, top=top, wide=wide,
        tall=shape.grip_length + 2, round=wide / 2.4, ring=top + wide / 2,
    )  # fmt: skip
