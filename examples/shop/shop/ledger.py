"""An invented year of sales: the same orders every time, so that a report can be compared with the last one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from .catalogue import PRODUCTS, Product

if TYPE_CHECKING:
    from collections.abc import Iterator

YEAR = 2025
SEED = 440
VAT = 21  # per cent
FIRST_NUMBER = 10_001
SEASON = (0.7, 0.6, 0.8, 0.9, 1.1, 1.2, 0.9, 0.8, 1.0, 1.1, 1.5, 2.0)  # January to December
GIVEN = "Ada Alan Barbara Carl Donald Edsger Frances Grace Hedy Ida Joan Katherine Linus Margaret Niklaus Radia".split()
FAMILY = "Allen Backus Clarke Diaz Engelbart Floyd Goldberg Hamilton Iverson Johnson Kay Liskov Milner Perlman".split()
TOWNS = "Antwerp Bergen Cork Delft Eger Faro Ghent Hasselt Ioannina Jena Kotor Leuven Malmö Namur Odense Porto".split()


@dataclass(frozen=True)
class Sale:
    number: int
    day: date
    customer: str
    town: str
    product: Product
    quantity: int

    @property
    def total(self) -> int:
        """Cents."""
        return self.product.price * self.quantity

    @property
    def tax(self) -> int:
        """Cents, contained in the total."""
        return round(self.total * VAT / (100 + VAT))


def sales(count: int) -> Iterator[Sale]:
    """Yield `count` sales in order of their dates, busier towards Christmas."""
    chance = random.Random(SEED)
    for place, day in enumerate(sorted(_day(chance) for _ in range(count))):
        yield Sale(
            FIRST_NUMBER + place,
            day,
            f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}",
            chance.choice(TOWNS),
            chance.choice(PRODUCTS),
            chance.choice((1, 1, 1, 2, 2, 4, 6, 6, 12)),
        )


def _day(chance: random.Random) -> date:
    month = chance.choices(range(1, 13), SEASON)[0]
    first = date(YEAR, month, 1)
    length = (date(YEAR + month // 12, month % 12 + 1, 1) - first).days
    return first + timedelta(days=chance.randrange(length))
