"""What a check is, and what it says.

`@check` registers a function once, in the group that its module is. The names of its arguments are the evidence that it needs; it
is not run where one is missing. An argument with a default is evidence that it can do without.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["pass", "warn", "fail"]
Judge = TypeVar("Judge", bound="Callable[..., Finding | None]")


class Finding(NamedTuple):
    """What one check says: `seen` is a sentence without its full stop, `fix` lines to paste, empty where nothing is wrong."""

    verdict: Level
    seen: str
    fix: str = ""


def passed(seen: str) -> Finding:
    """Nothing is wrong."""
    return Finding("pass", seen)


def warned(seen: str, fix: str) -> Finding:
    """Something costs speed or safety, or will fail one day."""
    return Finding("warn", seen, fix)


def failed(seen: str, fix: str) -> Finding:
    """Something does not work, or will not under load."""
    return Finding("fail", seen, fix)


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong. `source` is the published row, tip or question that it comes from."""

    name: str
    about: str
    why: str
    source: str
    judge: Callable[..., Finding | None]
    needs: tuple[str, ...]
    welcomes: tuple[str, ...]

    def on(self, evidence: dict[str, Any]) -> Finding | None:
        """What it says about evidence, of which it has all that it needs; None where what counts in it may not be seen."""
        return self.judge(**{name: evidence.get(name) for name in (*self.needs, *self.welcomes)})


_registered: list[Check] = []


def check(name: str, *, why: str, source: str) -> Callable[[Judge], Judge]:
    """Register a check under its name."""

    def register(judge: Judge) -> Judge:
        arguments = inspect.signature(judge).parameters.values()
        needs = tuple(each.name for each in arguments if each.default is each.empty)
        welcomes = tuple(each.name for each in arguments if each.default is not each.empty)
        _registered.append(Check(name, judge.__module__.rpartition(".")[2], why, source, judge, needs, welcomes))
        return judge

    return register


def registered(module: str) -> list[Check]:
    """The checks of a module, as they stand there."""
    return [each for each in _registered if each.judge.__module__ == module]
