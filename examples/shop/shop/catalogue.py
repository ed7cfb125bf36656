"""The assortment: every product with its price in cents and the measures its picture is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from .pictures import Shape


@dataclass(frozen=True)
class Product:
    slug: str
    name: str
    price: int  # cents
    line: str
    story: str
    material: str
    length: int  # millimetres
    tint: str
    shape: Shape


PRODUCTS = (
    Product(
        "dinner-fork", "Dinner fork No. 4", 1400, "Four tines, no opinions.",
        "The one you reach for without looking. Forged from a single bar, balanced a finger's width below the neck.",
        "18/10 steel, satin", 204, "sand",
        Shape(tines=4, width=46, tine=74, head=62, neck=9, handle=21),
    ),
    Product(
        "cake-fork", "Cake fork", 1100, "Cuts first, asks later.",
        "Short, light and a little pushy. The edge of the left tine is ground thin enough for a cold cheesecake.",
        "18/10 steel, mirror", 152, "rose",
        Shape(tines=3, width=38, tine=52, head=52, neck=8, handle=19, top=62, gap=0.5),
    ),
    Product(
        "oyster-fork", "Oyster fork", 1250, "Three short tines and patience.",
        "Made for shells, adopted for olives. The tines turn inwards just enough to hold what they have caught.",
        "18/10 steel, mirror", 146, "sea",
        Shape(tines=3, width=30, tine=34, head=40, neck=7, handle=15, top=58, tip=2.4),
    ),
    Product(
        "pasta-fork", "Pasta fork", 1700, "Five tines, one turn.",
        "Five slim tines wind a whole mouthful in a single turn of the wrist. Splashes are your own affair.",
        "18/10 steel, satin", 210, "moss",
        Shape(tines=5, width=52, tine=80, head=56, neck=9, handle=20, gap=0.9),
    ),
    Product(
        "serving-fork", "Serving fork", 2900, "For the middle of the table.",
        "Broad shoulders for roast vegetables and diplomacy. Goes with every dinner fork we have ever made.",
        "18/10 steel, satin", 248, "plum",
        Shape(tines=4, width=66, tine=66, head=76, neck=12, handle=27, gap=0.55),
    ),
    Product(
        "carving-fork", "Carving fork", 3800, "Holds still what would rather not.",
        "Two long tines, a walnut handle and a shoulder to rest your finger on while the knife does its work.",
        "Carbon steel, walnut", 290, "sand",
        Shape(tines=2, width=30, tine=124, head=38, neck=10, handle=20, gap=1.5, tip=4, grip="wood", grip_length=112),
    ),
    Product(
        "fondue-fork", "Fondue fork", 950, "Never lose your bread again.",
        "Thin as a pencil, with a coloured end so that everybody knows whose bread is at the bottom of the pot.",
        "Steel, enamelled end", 265, "rose",
        Shape(tines=2, width=17, tine=36, head=22, neck=5, handle=7, gap=1.2, tip=3, grip="red", grip_length=66),
    ),
    Product(
        "camp-spork", "Camp spork", 1600, "The diplomat of the backpack.",
        "Soup, then noodles, then jam out of the glass. Titanium, seventeen grams, warm to the lips on cold mornings.",
        "Titanium, bead-blasted", 172, "sea",
        Shape(tines=3, width=50, tine=26, head=104, neck=12, handle=22, gap=0.45, bowl=0.35),
    ),
    Product(
        "toasting-fork", "Toasting fork", 3400, "Long enough for a real fire.",
        "Sixty centimetres between your knuckles and the embers. The wooden grip stays cool; the toast does not.",
        "Blackened iron, ash", 600, "plum",
        Shape(tines=3, width=34, tine=40, head=24, neck=6, handle=7, gap=1.7, tip=3, bowl=0.5, grip="wood",
              grip_length=78),
    ),
    Product(
        "tuning-fork", "Tuning fork 440 Hz", 2400, "Perfectly pitched.",
        "Strike it on your knee, hold it to the table and let dinner begin in A. Within a tenth of a hertz at 20 °C.",
        "Aluminium, turned", 128, "sand",
        Shape(tines=2, width=38, tine=158, head=30, neck=10, handle=13, gap=1.6, bowl=0.5),
    ),
    Product(
        "garden-fork", "Garden fork", 6400, "Table manners for the potato bed.",
        "Four forged tines that turn heavy soil without cutting a single potato. Ash handle, oiled twice.",
        "Boron steel, ash", 990, "moss",
        Shape(tines=4, width=74, tine=96, head=26, neck=11, handle=13, gap=2.2, tip=4, bowl=0.55, grip="wood",
              grip_length=140),
    ),
    Product(
        "pitchfork", "Pitchfork", 7200, "Where every fork began.",
        "Three tines, one long handle, a hundred uses. It forks beautifully and always cleans up after itself.",
        "Spring steel, ash", 1480, "sea",
        Shape(tines=3, width=78, tine=92, head=24, neck=9, handle=10, gap=3.6, tip=5, bowl=0.6, grip="wood",
              grip_length=156),
    ),
)  # fmt: skip

BY_SLUG = {product.slug: product for product in PRODUCTS}


def money(cents: int) -> str:
    """Write an amount in cents as people read it: €1,234.50."""
    return f"€{cents / 100:,.2f}"
