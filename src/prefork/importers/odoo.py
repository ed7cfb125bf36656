"""odoo.conf, which needs no import: Prefork reads it as it is. What it says is copied, so that it can have options of ours beside.

A command line of Odoo's own goes into `odoo_args`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from prefork.config import OPTIONS
from prefork.config.hosted import is_secret
from prefork.config.reader import read_file as read
from prefork.importers.finding import Draft, Setting, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OURS = {option.name for option in OPTIONS.values()} | {alias for option in OPTIONS.values() for alias in option.aliases}


def read_file(file: Path, _environ: Mapping[str, str]) -> list[Setting]:
    """The options of the file. Raises Unreadable with its first problem."""
    reading = read(file, str(file))
    if reading.problems:
        raise Unreadable(str(reading.problems[0]))
    return [Setting(entry.key, entry.text, entry.line) for entry in reading.entries if entry.section == "options"]


def translated(settings: list[Setting], draft: Draft) -> None:
    """Each means what it means to Odoo; a secret stays in its file."""
    for each in settings:
        if is_secret(each.name):
            draft.leave(
                Setting(each.name, "…", each.line), "a secret is not copied; let the file stay as it is: prefork serve -c reads it"
            )
        else:
            draft.carry(each, {each.name: str(each.value)}, "" if each.name in OURS else "Odoo itself reads it")


def started(program: Setting, arguments: list[str], place: Path, draft: Draft) -> None:
    """A command line of Odoo's."""
    rest = list(arguments)
    for flag in ("-c", "--config"):
        if flag in rest:
            at = rest.index(flag)
            file = place / rest[at + 1]
            del rest[at : at + 2]
            translated(read_file(file, {}), draft)
    home = program.text.rpartition("/")[0]
    draft.carry(program, {"app": f"odoo:{home or '/usr/lib/python3/dist-packages'}"}, "Odoo is served from there")
    if rest:
        draft.carry(Setting("arguments", shlex.join(rest), program.line), {"odoo_args": shlex.join(rest)})
