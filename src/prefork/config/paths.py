"""How paths are written and read. Only for the bare name of a program is anything looked up here."""

from __future__ import annotations

import os
from pathlib import Path

from prefork.config.lists import names


def path(text: str, base: Path) -> Path:
    """An absolute path. Symbolic links stay: a virtual environment's interpreter is one."""
    if not text.isprintable():
        raise ValueError(f"{text!a} holds characters that a path should not; write it on one line")
    return Path(os.path.abspath(base / os.path.expanduser(text)))


def paths(text: str, base: Path) -> tuple[Path, ...]:
    """A list of absolute paths."""
    return tuple(path(part, base) for part in names(text))


def places(text: str, base: Path) -> tuple[tuple[str, str], ...]:
    """Directories behind prefixes of URLs, `/prefix=directory`."""
    found: dict[str, str] = {}
    for part in names(text):
        prefix, equals, directory = (word.strip() for word in part.partition("="))
        if not prefix.startswith("/") or not equals or not directory:
            raise ValueError(f'"{part}" is not a prefix and its directory; write them as /static=/srv/shop/static')
        prefix = "/" + prefix.strip("/")
        if prefix in found:
            raise ValueError(f'"{prefix}" is given twice; a prefix has one directory')
        found[prefix] = str(path(directory, base))
    return tuple(found.items())


def program(text: str, base: Path) -> Path:
    """A program: a path, or a bare name that is looked up on PATH."""
    from shutil import which  # here, as in `master.database`: three ways of packing files come with it, which no server needs

    found = which(text) if "/" not in text and text.isprintable() else None
    return Path(found) if found else path(text, base)


def control_group(text: str, base: Path) -> str:
    """Where control groups can be made."""
    if text.lower() in {"auto", "true", "yes", "on", "1"}:
        return "auto"
    if text.lower() in {"off", "false", "no", "none", "0"}:
        return "off"
    if not text.startswith("/"):
        raise ValueError(f'"{text}" is neither auto nor off nor a path; write one such as /sys/fs/cgroup/mysite')
    return str(path(text, base))
