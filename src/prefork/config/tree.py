"""What Odoo's tree says of itself without being run: its version, its add-ons, and which of them have static files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.config.settings import Settings

VERSION = re.compile(r"^version_info\s*=\s*\(\s*['\"]?(?:saas[~-])?(\d+)['\"]?\s*,\s*(\d+)", re.MULTILINE)
WORD = re.compile(r"['\"](\w+)['\"]")
ELSEWHERE = re.compile(r"websocket_|import_|proxy_access_token$")  # keys that modules read, not the configuration itself
MANIFESTS = ("__manifest__.py", "__openerp__.py")


def version(tree: Path) -> tuple[int, int] | None:
    """The version of the Odoo in a directory; None where there is none."""
    try:
        found = VERSION.search((tree / "odoo" / "release.py").read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return (int(found[1]), int(found[2])) if found else None


def unread(tree: Path, keys: Iterable[str]) -> list[str]:
    """Those of Odoo's keys that this version of it does not read, because they were added later or removed."""
    try:
        words = set(WORD.findall((tree / "odoo" / "tools" / "config.py").read_text()))
    except (OSError, UnicodeDecodeError):
        return []
    return [key for key in keys if key not in words and not ELSEWHERE.match(key)]


def statics(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The directories of add-ons' static files, each behind its prefix of URLs: as Odoo finds them, the first of a name counts."""
    found: dict[str, str] = {}
    for place in addons(settings):
        for name, static in modules(place):
            found.setdefault(f"/{name}/static", static)
    return tuple(found.items())


def addons(settings: Settings) -> Iterator[Path]:
    """The directories that hold add-ons, in Odoo's order."""
    if settings.odoo is None:
        return
    named = flag(settings.odoo_args, "--addons-path") or settings.host_options.get("addons_path", "")
    yield from (Path(settings.app_dir, os.path.expanduser(part.strip())) for part in named.split(",") if part.strip())
    yield settings.odoo / "addons"
    yield settings.odoo / "odoo" / "addons"


def flag(arguments: tuple[str, ...], name: str) -> str:
    """The value of a flag among arguments, the last one; empty where it is not there."""
    value = ""
    for here, following in zip(arguments, (*arguments[1:], ""), strict=False):
        if here == name:
            value = following
        elif here.startswith(f"{name}="):
            value = here.partition("=")[2]
    return value


def modules(place: Path) -> Iterator[tuple[str, str]]:
    """The add-ons in a directory that have static files, by name, with the directory of those."""
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return  # Odoo says what it thinks of it
    for entry in entries:
        static = os.path.join(entry.path, "static")
        if os.path.isdir(static) and any(os.path.isfile(os.path.join(entry.path, name)) for name in MANIFESTS):
            yield entry.name, static
