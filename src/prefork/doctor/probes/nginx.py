"""nginx's files, read by crossplane with everything that they include."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import crossplane
from crossplane.analyzer import DIRECTIVES

from prefork.doctor.evidence import Unseen
from prefork.doctor.probes.conf import unreadable
from prefork.doctor.routing import Directive, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALIKE = 0.85  # of the letters: closer is a slip, farther a module's own directive
BY_MODULES = {"types", "map", "geo", "split_clients", "charset_map"}  # their lines are no directives


def read(file: Path) -> Proxy | Unseen:
    """The tree of a file, be it nginx.conf, one site or a fragment of one."""
    if not os.access(file, os.R_OK):
        return Unseen(f"{file} {unreadable(file)}")
    payload = crossplane.parse(str(file), combine=True, check_ctx=False)
    if payload["errors"]:
        return Unseen(str(payload["errors"][0]["error"]))
    tree = tuple(understood(each) for each in payload["config"][0]["parsed"])
    return Proxy(str(file), tree, tuple(slips(tree)))


def understood(statement: dict[str, Any]) -> Directive:
    """A statement of crossplane's as a value."""
    block = tuple(understood(each) for each in statement.get("block", ()))
    return Directive(statement["directive"], tuple(statement["args"]), f"{statement['file']}:{statement['line']}", block)


def slips(tree: tuple[Directive, ...]) -> Iterator[tuple[Directive, str]]:
    """Directives that nginx does not know but that look like one that it does."""
    for each in tree:
        if each.name not in DIRECTIVES and (alike := get_close_matches(each.name, DIRECTIVES, 1, ALIKE)):
            yield each, alike[0]
        if each.name not in BY_MODULES:
            yield from slips(each.block)
