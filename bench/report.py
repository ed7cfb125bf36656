"""The report: every scenario's table in Markdown, with the machine and the versions that the figures belong to.

Pure: it turns results into text and reads or writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from figures import Column, cell, summarize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REFERENCE = "prefork"
INTRODUCTION = (
    "Written by `make bench`; every server has two workers, and all run on one machine together with the load on them. "
    "Figures are medians of the rounds, which go round-robin over the servers; in brackets, the figure divided by Prefork's. "
    "Compare ratios, not absolute figures."
)


@dataclass(frozen=True)
class Row:
    """What one server did in one scenario: the figures of the rounds that ended, the reasons of those that did not."""

    server: str
    rounds: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """One scenario's results."""

    title: str
    method: str
    columns: Sequence[Column]
    rows: Sequence[Row]


def table(section: Section) -> str:
    """The scenario's Markdown table; ratios are to Prefork's row."""
    reference = next((row.rounds for row in section.rows if row.server == REFERENCE), [])
    heads = ["server", *(column.heading for column in section.columns)]
    lines = [heads, ["---", *("---:" for _ in section.columns)]]
    lines += [[row.server, *cells(row, section.columns, reference)] for row in section.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row, columns: Sequence[Column], reference: list[dict[str, float]]) -> list[str]:
    """One server's figures as text; Prefork's own row has no ratios."""
    compared = [] if row.server == REFERENCE else reference
    return [cell(summarize(row.rounds, column), summarize(compared, column), column) for column in columns]


def complaints(section: Section) -> str:
    """The rounds that did not end, a line each; empty when all did."""
    return "\n".join(f"- **{row.server} failed:** {reason.replace('|', '·')}" for row in section.rows for reason in row.failures)


def document(facts: dict[str, str], setups: dict[str, str], left_out: dict[str, str], sections: Iterable[Section]) -> str:
    """The whole report. `setups` says how each server was run, `left_out` why one was not."""
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        listing(facts),
        "## Servers",
        listing(setups),
    ]
    if left_out:
        parts += ["**Left out, because they could not be installed:**", listing(left_out)]
    for section in sections:
        parts += [f"## {section.title}", section.method, table(section), complaints(section)]
    return "\n\n".join(part for part in parts if part) + "\n"


def listing(items: dict[str, str]) -> str:
    """A Markdown list of names and what belongs to them."""
    return "\n".join(f"- {name}: {text}" for name, text in items.items())
