"""What the report draws: its cover with the fork, the bars of the months, the ranking of the products.

Fonts and colours come from here only where a drawing needs its own; numbers come in, nothing is computed from a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm

from .catalogue import PRODUCTS, money
from .pictures import HEIGHT, WIDTH, Shape, outline

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

PAPER, INK, SOFT = (colors.HexColor(c) for c in ("#f3ece0", "#221d17", "#7a7166"))
ACCENT, PALE = (colors.HexColor(c) for c in ("#c4411f", "#e9b9a6"))
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
SPAN = A4[0] - 36 * mm


def cover(canvas: Canvas, year: int, facts: list[tuple[str, str]], printed_by: str) -> None:
    """Paint the whole first page."""
    width, height = A4
    canvas.setFillColor(ACCENT)
    canvas.rect(0, 0, width, height, stroke=0, fill=1)
    canvas.setFillColor(colors.HexColor("#d2593a"))
    step = width / 6
    for place, product in enumerate(PRODUCTS):
        x, y = (place % 6) * step, height - 50 * mm - (place // 6) * 92 * mm
        _fork(canvas, product.shape, x + step / 2, y, 0.74)
    canvas.setFillColor(PAPER)
    canvas.rect(0, 0, width, 108 * mm, stroke=0, fill=1)
    canvas.setFillColor(INK)
    canvas.setFont("Times-Bold", 46)
    canvas.drawString(18 * mm, 80 * mm, f"Sales ledger {year}")
    canvas.setFillColor(SOFT)
    canvas.setFont("Helvetica", 11)
    canvas.drawString(18 * mm, 70 * mm, f"Tine, forks and nothing but forks. Printed by {printed_by}.")
    for place, (name, value) in enumerate(facts):
        _fact(canvas, 18 * mm + place * 58 * mm, name, value)


def _fact(canvas: Canvas, x: float, name: str, value: str) -> None:
    canvas.setFillColor(ACCENT)
    canvas.rect(x, 50 * mm, 12 * mm, 1.2, stroke=0, fill=1)
    canvas.setFillColor(INK)
    canvas.setFont("Times-Bold", 21)
    canvas.drawString(x, 36 * mm, value)
    canvas.setFillColor(SOFT)
    canvas.setFont("Helvetica", 9)
    canvas.drawString(x, 29 * mm, name)


def _fork(canvas: Canvas, shape: Shape, x: float, y: float, scale: float) -> None:
    canvas.saveState()
    canvas.translate(x - WIDTH * scale / 2, y + HEIGHT * scale / 2)
    canvas.scale(scale, -scale)
    path = canvas.beginPath()
    draw = {"M": path.moveTo, "L": path.lineTo, "C": path.curveTo}
    for kind, *numbers in outline(shape):
        draw[kind](*numbers)
    path.close()
    canvas.drawPath(path, stroke=0, fill=1)
    canvas.restoreState()


def months(cents: list[int]) -> Drawing:
    """Return twelve bars with their values in thousand euros; the best month in the strong colour."""
    tall, best = 62 * mm, max(max(cents), 1)
    drawing = Drawing(SPAN, tall + 14 * mm)
    step = SPAN / 12
    for place, value in enumerate(cents):
        bar, middle = value / best * tall, (place + 0.5) * step
        colour = ACCENT if value == best else PALE
        drawing.add(Rect(middle - step * 0.34, 6 * mm, step * 0.68, bar, fillColor=colour, strokeColor=None))
        drawing.add(_text(middle, 1.5 * mm, NAMES[place], SOFT, "middle"))
        drawing.add(_text(middle, 7.5 * mm + bar, f"{value / 100_000:.0f}", INK, "middle"))
    return drawing


def ranking(pairs: list[tuple[str, int]]) -> Drawing:
    """Return a line for each product: its name, a bar and the amount."""
    step, start, room = 8.2 * mm, 38 * mm, SPAN - 62 * mm
    drawing = Drawing(SPAN, step * len(pairs))
    most = max((value for _, value in pairs), default=1)
    for place, (name, value) in enumerate(pairs):
        y = step * (len(pairs) - place - 1)
        drawing.add(_text(0, y + 2.4 * mm, name, INK, "start"))
        drawing.add(Rect(start, y + 1.6 * mm, value / most * room, 4 * mm, fillColor=PALE, strokeColor=None))
        drawing.add(_text(SPAN, y + 2.4 * mm, money(value), INK, "end"))
    return drawing


def _text(x: float, y: float, words: str, colour: colors.Color, anchor: str) -> String:
    return String(x, y, words, fontName="Helvetica", fontSize=8.5, fillColor=colour, textAnchor=anchor)
