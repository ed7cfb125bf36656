"""What is measured, as a part of docs/advice.md between two marks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from predicted.cells import Cell
    from predicted.mixes import Mix
    from predicted.race import Runner

BEGIN, END = "<!-- measured by make bench-advice -->", "<!-- measured until here -->"
PICTURE = "advice-predictions.svg"


def part(
    facts: Mapping[str, str], mixes: Sequence[Mix], cells: Sequence[Cell], runners: Sequence[Runner], seconds: Mapping[str, float]
) -> str:
    """The text between the marks."""
    words = {mix.name: mix.words for mix in mixes}
    right, saturated = sum(cell.right for cell in cells), sum(cell.saturated for cell in cells)
    where = f"{facts['processor']}, {facts['memory']}, Python {facts['python']}"
    lines = [
        f"Measured on {facts['date']}, {where}; `make bench-advice` does it again.",
        "",
        f"**Predictions: {right} of {len(cells)} are right**, within 25 % or 10 ms; {saturated} are predicted to be saturated.",
        f"Each mix is sent for {seconds['cell']:g} s, at fixed times. The simulation knows the recording of the workers marked •,",
        "and predicts all four; *off* is the prediction less what was measured.",
        "",
        f"![predicted and measured waits]({PICTURE})",
        "",
        "| mix | workers | busy | p95 predicted | p95 measured | off | |",
        "|---|---|---|---|---|---|---|",
    ]
    named = set()
    for cell in cells:
        name = "" if cell.mix in named else f"{cell.mix}: {words[cell.mix]}"
        named.add(cell.mix)
        lines.append(f"| {name} | {row(cell)} |")
    lines += [
        "",
        f"**Bursts**, for {seconds['race']:g} s: 50 requests a second for 8 s out of 40, else 4, each with 4 ms of processor",
        "time and 60 ms of waiting. Here the wait is the client's, from sending to the application's first line.",
        "",
        "| | set up with | wait p50 | p95 | p99 | worker-seconds | most workers | failed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in runners:
        waits = " | ".join(f"{1000 * wait:.0f} ms" for wait in (each.p50, each.p95, each.p99))
        lines.append(f"| {each.name} | {each.setup} | {waits} | {each.worker_seconds:.0f} | {each.most} | {each.failures} |")
    return "\n".join([*lines, ""])


def row(cell: Cell) -> str:
    """The figures of one cell."""
    said = ["saturated"] if cell.saturated else []
    said += [] if cell.right else ["**wrong**"]
    said += [f"{cell.failures} failed"] if cell.failures else []
    figures = [
        f"{1000 * cell.predicted:.1f} ms",
        f"{1000 * cell.measured:.1f} ms",
        f"{1000 * (cell.predicted - cell.measured):+.1f} ms",
    ]
    return " | ".join([f"{cell.workers}{' •' if cell.recorded else ''}", f"{cell.busy:.0%}", *figures, ", ".join(said)])


def replaced(text: str, new: str) -> str:
    """A page with another part between the marks. Raises ValueError where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{new}{END}{after}"
