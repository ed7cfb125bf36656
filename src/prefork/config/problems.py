"""What can be wrong with a configuration, and where each value came from.

A problem is one sentence with its place: file and line, environment name or flag. Problems are collected, never printed, here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from. `name` is a file, an environment name or a flag; `line` counts from 1, in files only."""

    layer: Literal["default", "file", "environment", "flag"]
    name: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.layer == "default":
            return "default"
        return f"{self.name}:{self.line}" if self.line else self.name

    def problem(self, key: str, sentence: str) -> Problem:
        """A problem with what this source says about `key`. Environment names and flags name the option by themselves."""
        place = {"default": key, "file": f"{self}: {key}"}.get(self.layer, self.name)
        return Problem(place, sentence, self.line)


DEFAULT = Source("default")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its place, and a sentence that says what to do. `line` is the file's, 0 outside of files."""

    place: str
    sentence: str
    line: int = 0

    def __str__(self) -> str:
        return plain(f"{self.place}: {self.sentence}")


def plain(text: str) -> str:
    """Text on one line, in which nothing steers a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it, the file's in the order of its lines.

    `settings` is what could be read, with defaults for the options in `broken`: enough for warnings about the rest.
    """

    def __init__(self, problems: Iterable[Problem], settings: Settings, broken: Iterable[str]) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: each.line or sys.maxsize))
        self.settings = settings
        self.broken = frozenset(broken)
        super().__init__(self.sentences())

    def sentences(self) -> str:
        """Everything that is wrong, a line each."""
        return "\n".join(str(problem) for problem in self.problems)
