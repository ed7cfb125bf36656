"""Finds what an option names by `module:attribute`, and says which option it was when there is no such thing."""

from __future__ import annotations

import importlib
from typing import Any, Callable


def attribute(module: Any, path: str, setting: str) -> Any:
    """The attribute of a module, or of what is in it (`a.b`). `setting` is the option as it is written. Raises AttributeError."""
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise AttributeError(f"{setting}: {getattr(found, '__name__', found)!r} has no attribute {part!r}")
        found = getattr(found, part)
    return found


def imported(setting: str, name: str) -> Any:
    """A module that an option names. Raises ImportError with the option in it, or what the module raises."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{setting}: {error}") from error


def function(setting: str, name: str) -> Callable[..., Any]:
    """What an option, `setting` as it is written, names by `module:function`. Raises ImportError, AttributeError, TypeError."""
    module, _, path = name.partition(":")
    found: Callable[..., Any] = attribute(imported(setting, module), path, setting)
    if not callable(found):
        raise TypeError(f"{setting}: {type(found).__name__} cannot be called")
    return found
