"""The declaration of an option: everything that is known about it, in one place, beside the field that holds its value.

The file key, the environment name, the flag, the help, the documentation and the checks all come from here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prefork.config.kinds import Kind


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What defaults may depend on: the current directory and the environment."""

    cwd: Path
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Derived:
    """A default computed from other options (already complete) and the surroundings; `words` says how."""

    compute: Callable[[Mapping[str, Any], Surroundings], Any]
    words: str


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `applies` says what makes a change effective.

    A `secret` one has no flag: everybody on a machine can read command lines.
    """

    kind: Kind
    default: Any
    help: str
    applies: Literal["reload", "restart"]
    minimum: float | None = None
    maximum: float | None = None
    aliases: tuple[str, ...] = ()
    secret: bool = False
    name: str = ""
    group: str = ""

    @property
    def environment(self) -> str:
        """The name of its environment variable."""
        return f"PREFORK_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace("_", "-")

    def spelled(self, text: str) -> str:
        """The flag as somebody wrote it who meant `text`: a yes-or-no option has a flag for each."""
        return self.flag.replace("--", "--no-", 1) if text == "False" else self.flag

    def parse(self, text: str, base: Path) -> Any:
        """The value of `text`, which is not one of the words for unset. Raises ValueError with a sentence."""
        value = self.kind.parse(text, base)
        if isinstance(value, str):  # a word in the place of a number
            return value
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{self.shown(value)} is below the lowest value, {self.shown(self.minimum)}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{self.shown(value)} is above the highest value, {self.shown(self.maximum)}")
        return value

    def shown(self, value: Any) -> str:
        """A value as people read it."""
        return "not set" if value is None or value == () else self.kind.show(value)

    def default_words(self) -> str:
        """The default as people read it."""
        return self.default.words if isinstance(self.default, Derived) else self.shown(self.default)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def grouped(group: type[T]) -> type[T]:
    """Declare a class to be a group of options. Only `Settings`, which inherits from all, is made, compared and shown.

    So a group does without the methods for these: to compile them takes longer than anything else in its import.
    """
    return dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)(group)


def option(kind: Kind, default: Any, help: str, *, applies: Literal["reload", "restart"] = "reload", **more: Any) -> Any:  # noqa: A002 - the word of command lines
    """Declare an option as a dataclass field. The keywords are those of `Option`."""
    declaration = Option(kind, default, help, applies, **more)
    initial = None if isinstance(default, Derived) else default
    return dataclasses.field(default=initial, repr=not declaration.secret, metadata={"option": declaration})


def declared(group: type) -> tuple[Option, ...]:
    """The options a class declares itself, in order, with their names and the name of their group."""
    own = [field for field in dataclasses.fields(group) if field.name in vars(group).get("__annotations__", {})]
    return tuple(dataclasses.replace(field.metadata["option"], name=field.name, group=group.__name__) for field in own)
