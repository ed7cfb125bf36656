"""What `prefork doctor` shows: failures first, then warnings, in their groups, each with its fix to paste; passes are a number.

Readable in 80 columns. What files, sites and databases have said is shown as text that can do nothing to a terminal.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKS = {"fail": ("✗", "red"), "warn": ("!", "yellow"), "pass": ("✓", "green")}
EVIDENCE = {
    "conf": "--config",
    "proxy": "--nginx",
    "site": "--url",
    "database": "--dsn",
    "server": "--pid",
    "live": "a running Prefork",
    "log": "a log",
    "machine": "this machine",
    "rights": "an account in pg_monitor",
}


def screen(
    verdicts: Sequence[dict[str, str]], about: dict[str, str], unrun: Sequence[tuple[str, ...]], width: int, *, every: bool
) -> Iterator[Text]:
    """What to print, line by line. `about` has the group of each check, `unrun` what each check that was not run lacks."""
    for level in ("fail", "warn", *(("pass",) if every else ())):
        group = ""
        for each in (one for one in verdicts if one["verdict"] == level):
            if about[each["check"]] != group:
                group = about[each["check"]]
                yield Text(group.upper(), style="dim")
            yield from told(each, width)
        if group:
            yield Text()
    yield summary(verdicts, len(unrun))
    if unrun:
        yield Text(textwrap.fill(lacking(unrun), width), style="dim")


def told(verdict: dict[str, str], width: int) -> Iterator[Text]:
    """One verdict. The lines of its fix are not broken, so that they can be pasted."""
    mark, colour = MARKS[verdict["verdict"]]
    if verdict["verdict"] == "pass":
        yield Text.assemble((f"{mark} {verdict['check']}", colour), (f"  {plain(verdict['seen'])}", "dim"))
        return
    yield Text.assemble((f"{mark} {verdict['check']}", f"bold {colour}"))
    yield Text(indented(plain(verdict["seen"]), width))
    yield Text(indented(verdict["why"], width), style="dim")
    for line in plain(verdict["fix"]).splitlines():
        yield Text(f"    {line}", style="cyan")


def indented(text: str, width: int) -> str:
    """A paragraph below its heading."""
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def summary(verdicts: Sequence[dict[str, Any]], unrun: int) -> Text:
    """The counts."""
    counts = {level: sum(each["verdict"] == level for each in verdicts) for level in MARKS}
    line = Text()
    for level, word in (("fail", "failed"), ("warn", "warned"), ("pass", "passed")):
        line.append(f"{counts[level]} {word}", style=f"bold {MARKS[level][1]}" if counts[level] else "dim").append(", ")
    return line.append(f"{unrun} not run")


def lacking(unrun: Sequence[tuple[str, ...]]) -> str:
    """What would let more checks run, that which lets most run first."""
    names = [name for each in unrun for name in each]
    ranked = sorted(set(names), key=lambda name: (-names.count(name), name))
    return f"More can be looked at with {', '.join(f'{EVIDENCE[name]} ({names.count(name)})' for name in ranked)}."


def plain(text: str) -> str:
    """Text without anything that a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)
