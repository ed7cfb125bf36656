"""How lists are written and read."""

from __future__ import annotations

import re
import shlex


def names(text: str) -> tuple[str, ...]:
    """A list, separated by commas or line ends."""
    return tuple(part.strip() for part in re.split(r"[,\n]", text) if part.strip())


def words(text: str) -> tuple[str, ...]:
    """Words as a shell takes them apart."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f'"{text}" cannot be taken apart into words: {str(error).lower()}') from None


def listed(items: tuple[object, ...]) -> str:
    """A list as it is written."""
    return ", ".join(map(str, items))
