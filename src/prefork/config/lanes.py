"""How the option `lanes` is written and read."""

from __future__ import annotations

import re

from prefork.lanes import REST, Lane

NAME = re.compile(r"[A-Za-z][\w-]{0,11}", re.ASCII)
COUNT = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)
MOST = 15  # lanes beside it: the scoreboard has room for so many


def lane(text: str) -> Lane:
    """One lane, `name:pattern:count`. Raises ValueError with a sentence."""
    name, first, rest = text.partition(":")
    path, second, count = rest.rpartition(":")
    name = name.strip()
    if not (first and second):
        raise ValueError(f'"{text}" is not a lane; write name:pattern:count, such as reports:/report/pdf/*:0-3')
    if not NAME.fullmatch(name):
        raise ValueError(f'"{name}" is not a name for a lane; begin with a letter, and use up to 12 letters, digits, - and _')
    if name == REST:
        raise ValueError(f"{REST} is the lane of all other requests; choose another name")
    patterns = tuple(part.strip() for part in path.split("|"))
    for each in patterns:
        check_pattern(name, each)
    return Lane(name, patterns, *counts(name, count.strip()))


def check_pattern(name: str, pattern: str) -> None:
    """Refuse what no path can look like."""
    if not pattern.startswith(("/", "*")):
        raise ValueError(f'lane {name}: the pattern "{pattern}" must begin with / or *, such as /report/pdf/*')
    if "?" in pattern:
        raise ValueError(f'lane {name}: the pattern "{pattern}" is compared with the path alone; leave out ? and what follows it')


def counts(name: str, text: str) -> tuple[int, int | None]:
    """The reservation and the limit in `N` or `N-M`."""
    match = COUNT.fullmatch(text)
    if not match:
        raise ValueError(f'lane {name}: "{text}" is not a number of workers; write 1 to reserve one, or 0-3 to allow three at once')
    reserved, limit = int(match[1]), None if match[2] is None else int(match[2])
    if limit == 0:
        raise ValueError(f"lane {name}: {text} would never serve a request; allow at least one worker")
    if limit is not None and limit < reserved:
        raise ValueError(f"lane {name}: {text} allows fewer workers than it reserves; write the smaller number first")
    return reserved, limit


def distinct(lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """The same lanes, if they can be told apart and are not too many. Raises ValueError with a sentence."""
    names = [each.name for each in lanes]
    double = next((name for name in names if names.count(name) > 1), None)
    if double:
        raise ValueError(f"two lanes are called {double}; give each its own name, or one lane both patterns: {double}:/a/*|/b/*:1")
    if len(lanes) > MOST:
        raise ValueError(f"{len(lanes)} lanes are more than the {MOST} that can be told apart")
    return lanes
