"""The arithmetic of the report: percentiles, the summary of several rounds, ratios, and how a figure is printed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median, mode
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Column:
    """One figure of a scenario: its key in a round, its heading with the unit, and what several rounds become.

    `ratio` also prints the figure divided by Prefork's. Failures are totals: a median would hide the round that failed. What is
    no quantity, as a status, is what most rounds had. `words` are printed instead of some figures.
    """

    key: str
    heading: str
    decimals: int = 0
    ratio: bool = False
    summary: Literal["median", "total", "most"] = "median"
    words: Mapping[float, str] = field(default_factory=dict)


def percentile(ascending: list[float], percent: float) -> float:
    """The nearest-rank percentile of values in ascending order: the smallest that `percent` of them do not exceed.

    Raises ValueError for no values, or a percent outside 0–100.
    """
    if not ascending or not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} of {len(ascending)} values")
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def summarize(rounds: list[dict[str, float]], column: Column) -> float | None:
    """What the rounds become in the column; None where no round has the figure."""
    values = [found[column.key] for found in rounds if column.key in found]
    if not values:
        return None
    return {"median": median, "total": sum, "most": mode}[column.summary](values)


def ratio(figure: float, reference: float | None) -> float | None:
    """The figure divided by the reference; None where there is no reference to divide by."""
    return figure / reference if reference else None


def cell(figure: float | None, reference: float | None, column: Column) -> str:
    """The figure as the table prints it, with its ratio to the reference in brackets where the column has one."""
    if figure is None:
        return "–"
    if figure in column.words:
        return column.words[figure]
    text = f"{figure:,.{column.decimals}f}".replace(",", "\N{NO-BREAK SPACE}")
    share = ratio(figure, reference) if column.ratio else None
    return text if share is None else f"{text} ({share:.2f}×)"
