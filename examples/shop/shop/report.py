"""The sales ledger as a PDF: a cover, the year at a glance, and page after page of orders.

Pure computation, seconds of it, on purpose: it is the report that keeps a worker busy. Touches no database and no file.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table

from .catalogue import money
from .charts import cover, months, ranking
from .ledger import YEAR, Sale, sales

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

PAGES = 100
FEWEST, MOST = 3, 300
ROWS = 39  # a page of the ledger
FRONT = 2  # the cover and the year at a glance
INK, SOFT, LINE, BAND = (colors.HexColor(c) for c in ("#221d17", "#7a7166", "#ddd5c7", "#f7f3eb"))
MARGIN = 18 * mm
COLUMNS = [width * mm for width in (14, 16, 48, 36, 9, 17, 16, 18)]

LEFT = ParagraphStyle("left", fontName="Helvetica", fontSize=8.2, leading=10, textColor=INK)
RIGHT = ParagraphStyle("right", LEFT, alignment=2)
HEAD = ParagraphStyle("head", LEFT, fontName="Helvetica-Bold", fontSize=7, textColor=SOFT)
HEAD_RIGHT = ParagraphStyle("head-right", HEAD, alignment=2)
TITLE = ParagraphStyle("title", fontName="Times-Bold", fontSize=20, leading=25, textColor=INK)
SMALL = ParagraphStyle("small", fontName="Helvetica", fontSize=9, leading=13, textColor=SOFT)

GRID = [
    ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK),
    ("LINEBELOW", (0, 1), (-1, -3), 0.25, LINE),
    ("LINEABOVE", (0, -2), (-1, -2), 0.8, INK),
    ("ROWBACKGROUNDS", (0, 1), (-1, -3), [colors.white, BAND]),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("TOPPADDING", (0, 0), (-1, -1), 2.8),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.8),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
]


def render(pages: int = PAGES, printed_by: str = "the shop") -> bytes:
    """Return a PDF of exactly so many A4 pages (FEWEST to MOST); `printed_by` stands on its cover."""
    everything = list(sales((pages - FRONT) * ROWS))
    story: list[Flowable] = [PageBreak("page"), *_year(everything)]
    carried = 0
    for start in range(0, len(everything), ROWS):
        story += [PageBreak(), *_page(everything[start : start + ROWS], carried)]
        carried += sum(sale.total for sale in everything[start : start + ROWS])
    printed = io.BytesIO()
    _document(printed, printed_by, pages, carried).build(story)
    return printed.getvalue()


def _document(target: io.BytesIO, printed_by: str, pages: int, total: int) -> BaseDocTemplate:
    document = BaseDocTemplate(target, pagesize=A4, title=f"Sales ledger {YEAR}", author="Tine", lang="en")
    width, height = A4
    frame = Frame(MARGIN, 20 * mm, width - 2 * MARGIN, height - 42 * mm, 0, 0, 0, 0)
    facts = [("Revenue", money(total)), ("Orders", f"{(pages - FRONT) * ROWS:,}"), ("Pages", str(pages))]

    def front(canvas: Canvas, _document: Any) -> None:
        cover(canvas, YEAR, facts, printed_by)

    def margins(canvas: Canvas, _document: Any) -> None:
        _margins(canvas, pages)

    document.addPageTemplates([PageTemplate("cover", [frame], onPage=front), PageTemplate("page", [frame], onPage=margins)])
    return document


def _margins(canvas: Canvas, pages: int) -> None:
    width, height = A4
    canvas.setStrokeColor(LINE)
    canvas.line(MARGIN, 15 * mm, width - MARGIN, 15 * mm)
    canvas.setFillColor(SOFT)
    canvas.setFont("Helvetica", 7.5)
    canvas.drawString(MARGIN, height - 13 * mm, f"Tine · Sales ledger {YEAR}")
    canvas.drawRightString(width - MARGIN, 10 * mm, f"Page {canvas.getPageNumber()} of {pages}")
    canvas.drawString(MARGIN, 10 * mm, "Invented figures, printed by the example shop")


def _year(everything: list[Sale]) -> list[Flowable]:
    by_month = [0] * 12
    by_product: dict[str, int] = {}
    for sale in everything:
        by_month[sale.day.month - 1] += sale.total
        by_product[sale.product.name] = by_product.get(sale.product.name, 0) + sale.total
    best = max(range(12), key=by_month.__getitem__)
    share = by_month[best] / max(1, sum(by_month))
    return [
        Paragraph("The year at a glance", TITLE),
        Paragraph(f"The best month brought {money(by_month[best])}, {share:.0%} of the year.", SMALL),
        Spacer(0, 8 * mm),
        Paragraph("REVENUE BY MONTH, THOUSAND EUROS", HEAD),
        months(by_month),
        Spacer(0, 10 * mm),
        Paragraph("REVENUE BY PRODUCT", HEAD),
        Spacer(0, 3 * mm),
        ranking(sorted(by_product.items(), key=lambda pair: -pair[1])),
    ]


def _page(part: list[Sale], carried: int) -> list[Flowable]:
    first, last = part[0], part[-1]
    revenue = sum(sale.total for sale in part)
    names = ("Order", "Date", "Customer", "Product", "Qty", "Price", "VAT", "Total")
    head = [Paragraph(name.upper(), HEAD if place < 4 else HEAD_RIGHT) for place, name in enumerate(names)]
    return [
        Paragraph(f"{first.day.day} {first.day:%B} – {last.day.day} {last.day:%B}", TITLE),
        Paragraph(f"Orders {first.number} to {last.number}", SMALL),
        Spacer(0, 3 * mm),
        Table(
            [head, *map(_row, part), _sum("This page", revenue), _sum("Carried forward", carried + revenue)],
            colWidths=COLUMNS,
            style=GRID,
        ),
    ]


def _row(sale: Sale) -> list[Paragraph]:
    return [
        Paragraph(str(sale.number), LEFT),
        Paragraph(f"{sale.day.day} {sale.day:%b}", LEFT),
        Paragraph(f"{sale.customer}, {sale.town}", LEFT),
        Paragraph(sale.product.name, LEFT),
        Paragraph(str(sale.quantity), RIGHT),
        Paragraph(money(sale.product.price), RIGHT),
        Paragraph(money(sale.tax), RIGHT),
        Paragraph(f"<b>{money(sale.total)}</b>", RIGHT),
    ]


def _sum(name: str, cents: int) -> list[Any]:
    return ["", "", "", Paragraph(f"<b>{name}</b>", LEFT), "", "", "", Paragraph(f"<b>{money(cents)}</b>", RIGHT)]
