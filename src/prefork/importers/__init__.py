"""From another server's files to ours: what is carried over, what means something else here, and what has no equivalent.

Each importer is a table of the other server's settings. The result is text and findings; who asked writes the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.importers import commands, gunicorn, odoo, unit, uwsgi
from prefork.importers.finding import Draft, Finding, Setting, Unreadable, Verdict, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["KINDS", "Draft", "Finding", "Setting", "Unreadable", "Verdict", "kind_of", "read", "text"]

NEW_LINE, CONTINUED = "\n", "\n    "
KINDS = ("gunicorn", "uwsgi", "unit", "procfile", "supervisor", "odoo")


def kind_of(file: Path) -> str:
    """Whose file it is, by its name and what stands in it. Raises Unreadable."""
    name = file.name.lower()
    if name.startswith("procfile"):
        return "procfile"
    if name.endswith(".py"):
        return "gunicorn"
    if name.endswith(".json"):
        return "unit"
    if "uwsgi" in name:
        return "uwsgi"
    head = text_of(file)
    for sign, kind in (("[uwsgi]", "uwsgi"), ("[program:", "supervisor"), ("[options]", "odoo")):
        if sign in head:
            return kind
    if head.lstrip().startswith("{"):
        return "unit"
    raise Unreadable(f"{file}: whose file this is cannot be told; say so with --from {'|'.join(KINDS)}")


def read(file: Path, kind: str, environ: Mapping[str, str], home: Path | None = None) -> Draft:
    """What becomes of everything in it. Raises Unreadable with a sentence.

    `home` is the directory that it counts as a file of, where that is not the one that it is in.
    """
    draft, home = Draft(), home or file.parent
    match kind:
        case "gunicorn":
            gunicorn.translated(gunicorn.read_file(file, environ, home), draft)
        case "uwsgi":
            uwsgi.translated(uwsgi.read_file(file, environ, home), draft)
        case "unit":
            unit.translated(unit.read_file(file, environ), draft)
        case "odoo":
            odoo.translated(odoo.read_file(file, environ), draft)
        case "procfile":
            commands.procfile(file, home, environ, draft)
        case "supervisor":
            commands.supervisor(file, home, environ, draft)
    return draft


def text(draft: Draft, file: Path) -> str:
    """The configuration file, each option behind a comment that says where it comes from."""
    lines = [f"; Made from {file.name} by `prefork import`. `prefork check -c` this file, then `prefork serve -c` it.", "[options]"]
    if "app" not in draft.options and "odoo" not in draft.options:
        lines += ["; The application is not named there: module:attribute, or module:factory().", ";app = "]
    origin = {name: finding for finding in draft.findings for name in finding.options}
    for name, value in draft.options.items():
        lines += [f"; {comment(origin[name])}", f"{name} = {value.replace(NEW_LINE, CONTINUED)}"]
    if draft.defaults:
        lines += ["", "; What the other server does where its file is silent."]
        lines += [f"{name} = {value}" for name, value in draft.defaults.items()]
    left = [finding for finding in draft.findings if finding.verdict is Verdict.LEFT]
    if left:
        lines += ["", "; Left out:"]
        lines += [f"; {comment(finding)}" for finding in left]
    return "\n".join(lines) + "\n"


def comment(finding: Finding) -> str:
    """Where something comes from, and what is different about it, on one line."""
    place = f"line {finding.setting.line}: " if finding.setting.line else ""
    return f"{place}{finding.setting.name} = {finding.setting.text}" + (f" ({finding.sentence})" if finding.sentence else "")
