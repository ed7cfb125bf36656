"""What `prefork import` shows: each setting of the other server, and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prefork.config.problems import plain
from prefork.importers import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.importers import Draft, Finding

NAMES = {
    "gunicorn": "gunicorn",
    "uwsgi": "uWSGI",
    "unit": "Unit",
    "procfile": "Procfile",
    "supervisor": "supervisor",
    "odoo": "Odoo",
}
COLOURS = {Verdict.CARRIED: "green", Verdict.CHANGED: "yellow", Verdict.LEFT: "red"}


def screen(draft: Draft, kind: str) -> Iterator[Any]:
    """A table of the findings, and how many there are of each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("line", justify="right", style="dim")
    table.add_column(NAMES.get(kind, kind), overflow="fold", ratio=2)
    table.add_column("here", overflow="fold", ratio=2)
    table.add_column("", overflow="fold", ratio=4)
    for finding in draft.findings:
        table.add_row(
            str(finding.setting.line or ""),
            Text(
                plain(f"{finding.setting.name} = {short(finding.setting.text)}" if finding.setting.text else finding.setting.name)
            ),
            Text("\n".join(f"{name} = {plain(short(draft.options[name]))}" for name in finding.options)),
            Text.assemble((finding.verdict.value, COLOURS[finding.verdict]), plain(remark(finding))),
        )
    yield table
    counts = Counter(finding.verdict for finding in draft.findings)
    yield ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict) + "."


def remark(finding: Finding) -> str:
    """What there is to say of it."""
    said = [finding.sentence, "the file was run to find it" if finding.setting.ran else ""]
    return "".join(f"{sign}{each}" for sign, each in zip((": ", "; " if finding.sentence else ": "), said, strict=True) if each)


def short(text: str) -> str:
    """A value that does not fill the screen."""
    return text if len(text) <= 60 else f"{text[:57]}…"


def answer(draft: Draft, kind: str) -> dict[str, Any]:
    """For programs."""
    return {
        "from": kind,
        "options": draft.options,
        "defaults": draft.defaults,
        "findings": [found(finding) for finding in draft.findings],
    }


def found(finding: Finding) -> dict[str, Any]:
    """One finding."""
    setting = finding.setting
    return {
        "line": setting.line or None,
        "setting": setting.name,
        "value": setting.text,
        "verdict": finding.verdict.value,
        "options": list(finding.options),
        "sentence": finding.sentence,
    }
