"""docs/lab.md: what a scenario has measured stands between its markers."""

import datetime as dt
import os
import platform
import re

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "lab.md"


def write(name: str, text: str) -> None:
    """Put what was measured where the page wants it, with the day and the machine."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    page, count = marked.subn(lambda found: f"{found[1]}\n{text.strip()}\n\n{told()}\n{found[2]}", PAGE.read_text())
    assert count == 1, f"docs/lab.md has no place for {name}"
    PAGE.write_text(page)


def told() -> str:
    """When and where."""
    kernel = platform.release().partition("-")[0]
    day, version = dt.datetime.now(dt.UTC).date(), platform.python_version()
    return f"Measured {day}: Linux {kernel}, Python {version}, {os.cpu_count()} processors, which others used as well."


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of the page."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
