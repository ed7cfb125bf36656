"""Draws predicted against measured waits: JSON on standard input, SVG at the path that is its argument. Needs matplotlib."""

from __future__ import annotations

import json
import sys

import matplotlib as mpl
from matplotlib import pyplot as plt

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#555555")  # told apart by the colour-blind, too
LEAST = 0.1  # milliseconds: the axes are logarithmic
CLOSE, NEAR = 0.25, 10.0  # share, milliseconds


def main() -> None:
    """One picture."""
    mpl.rcParams["svg.hashsalt"] = "prefork"  # the same picture of the same figures
    cells = json.load(sys.stdin)
    figure, axes = plt.subplots(figsize=(8.2, 5.6))
    top = max([100.0, *(1000 * max(cell["predicted"], cell["measured"]) for cell in cells)]) * 2
    line = [LEAST * (top / LEAST) ** (step / 200) for step in range(201)]
    margins = [max(CLOSE * value, NEAR) for value in line]
    low = [max(LEAST, value - margin) for value, margin in zip(line, margins, strict=True)]
    axes.fill_between(line, low, [value + margin for value, margin in zip(line, margins, strict=True)], color="#e8e8e8", lw=0)
    axes.plot(line, line, color="#999999", lw=0.8)
    for colour, mix in zip(COLOURS, dict.fromkeys(cell["mix"] for cell in cells), strict=False):
        for saturated, marker in ((False, "o"), (True, "s")):
            chosen = [cell for cell in cells if cell["mix"] == mix and cell["saturated"] is saturated]
            across, up = ([max(LEAST, 1000 * cell[name]) for cell in chosen] for name in ("measured", "predicted"))
            face = "none" if saturated else colour
            axes.scatter(across, up, marker=marker, s=36, edgecolors=colour, facecolors=face, label="_" if saturated else mix)
    axes.scatter([], [], marker="s", s=36, edgecolors="#555555", facecolors="none", label="saturated")
    axes.set(xscale="log", yscale="log", xlim=(LEAST * 0.8, top), ylim=(LEAST * 0.8, top))
    axes.set_xlabel("p95 of the wait as measured, ms")
    axes.set_ylabel("as predicted, ms")
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(sys.argv[1], bbox_inches="tight", facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    main()
