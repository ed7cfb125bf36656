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
CONDITIONS = (
    "every server has two workers unless something else is said of it, and all run on one machine together with the load on them. "
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
    picture: str = ""  # its file, beside the report
    reference: str = REFERENCE  # whose figures the others are divided by


@dataclass(frozen=True)
class Heading:
    """What a report is called, which command writes it, and what its reader must know."""

    title: str
    command: str
    remarks: str = ""

    @property
    def text(self) -> str:
        """The first paragraphs."""
        return "\n\n".join(filter(None, (f"# {self.title}", f"Written by `{self.command}`; {CONDITIONS}", self.remarks)))


def table(section: Section) -> str:
    """The scenario's Markdown table; ratios are to the row of the reference."""
    reference = next((row.rounds for row in section.rows if row.server == section.reference), [])
    heads = ["server", *(column.heading for column in section.columns)]
    lines = [heads, ["---", *("---:" for _ in section.columns)]]
    lines += [
        [row.server, *cells(row, section.columns, [] if row.server == section.reference else reference)] for row in section.rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row, columns: Sequence[Column], reference: list[dict[str, float]]) -> list[str]:
    """One server's figures as text."""
    return [cell(summarize(row.rounds, column), summarize(reference, column), column) for column in columns]


def complaints(section: Section) -> str:
    """The rounds that did not end, a line each; empty when all did."""
    return "\n".join(f"- **{row.server} failed:** {reason.replace('|', '·')}" for row in section.rows for reason in row.failures)


def document(
    heading: Heading,
    facts: dict[str, str],
    setups: dict[str, str],
    left_out: dict[str, str],
    sections: Iterable[Section],
    goals: str = "",
) -> str:
    """The whole report. `setups` says how each server was run, `left_out` why one was not, `goals` what was wanted."""
    parts = [
        heading.text,
        listing(facts),
        "## Servers",
        listing(setups),
    ]
    if left_out:
        parts += ["**Left out, because they could not be installed:**", listing(left_out)]
    parts.append(goals)
    for section in sections:
        picture = f"![{section.title}]({section.picture})" if section.picture else ""
        parts += [f"## {section.title}", section.method, table(section), picture, complaints(section)]
    return "\n\n".join(part for part in parts if part) + "\n"


def listing(items: dict[str, str]) -> str:
    """A Markdown list of names and what belongs to them."""
    return "\n".join(f"- {name}: {text}" for name, text in items.items())
