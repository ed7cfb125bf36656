"""Finds what an option names by `module:attribute`, and says which option it was when there is no such thing."""

from __future__ import annotations

from typing import Any


def attribute(module: Any, path: str, setting: str) -> Any:
    """The attribute of a module, or of what is in it (`a.b`). `setting` is the option as it is written. Raises AttributeError."""
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise AttributeError(f"{setting}: {getattr(found, '__name__', found)!r} has no attribute {part!r}")
        found = getattr(found, part)
    return found
