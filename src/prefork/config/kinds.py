"""The kinds of values an option can have: how each is written, read and shown.

Reading touches no network, and no file but for the bare name of a program: whether a directory exists is asked in `obstacles.py`,
after all layers are read.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.config import addresses, paths, quantities
from prefork.config.dsn import dsn, without_password
from prefork.config.lanes import distinct, lane
from prefork.config.lists import listed, names, words
from prefork.sizing.plans import PLANS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.lanes import Lane

UNSET = frozenset({"", "none", "false"})  # what odoo.conf writes where a value is not set
OR_EMPTY = UNSET - {""}  # of a list that may be empty although its default is not
APPLICATION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?")
ODOO = "odoo:"  # begins the name of an application that is Odoo
AUTO = "auto"  # in the place of a number: as many as are needed
FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
STORE = re.compile(r"(rediss?|unix|postgres(ql)?)://.")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value. `parse(text, base)` raises ValueError with a sentence; `base` is where relative paths begin."""

    metavar: str
    words: str
    parse: Callable[[str, Path], Any]
    show: Callable[[Any], str] = str
    unset: frozenset[str] = UNSET


def whole_number(text: str) -> int:
    """A whole number in decimal digits."""
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise ValueError(f'"{text}" is not a whole number')
    return int(text)


def number_or_auto(text: str) -> int | str:
    """A whole number, or that the server finds it."""
    return AUTO if text.lower() == AUTO else whole_number(text)


def truth(text: str) -> bool:
    """A boolean as odoo.conf and people write it."""
    if text.lower() in {"true", "yes", "on", "1"}:
        return True
    if text.lower() in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f'"{text}" is neither True nor False')


def octal(text: str) -> int:
    """Permission bits in octal digits, `022` or `0o022`."""
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", text, re.ASCII) or int(text, 8) > 0o777:
        raise ValueError(f'"{text}" is not a set of permissions; write three octal digits, such as 022 or 660')
    return int(text, 8)


def application(text: str, base: Path) -> str:
    """The name of an application: `module:attribute`, `module:factory()`, or `odoo:` and the path of Odoo's tree."""
    if text.startswith(ODOO) and "/" in text:
        return ODOO + str(paths.path(text.removeprefix(ODOO), base))
    if not APPLICATION.fullmatch(text):
        raise ValueError(f'"{text}" names no application; write module:attribute, module:factory() or odoo:/path/of/odoo')
    return text


def function(text: str) -> str:
    """The name of a function, `module:function`."""
    if not FUNCTION.fullmatch(text):
        raise ValueError(f'"{text}" names no function; write module:function')
    return text


def patterns(text: str) -> tuple[str, ...]:
    """A list of paths, in which `*` stands for anything."""
    for part in names(text):
        if not part.startswith(("/", "*")):
            raise ValueError(f'"{part}" fits no path; begin it with / or *')
    return names(text)


def urls(text: str) -> tuple[str, ...]:
    """A list of paths as they stand in a URL."""
    for part in names(text):
        if not part.startswith("/") or "*" in part or "?" in part:
            raise ValueError(f'"{part}" is not the path of one page; begin it with / and leave out * and ?')
    return names(text)


def route_times(text: str) -> tuple[tuple[str, float], ...]:
    """Times that routes may take, `/pattern:time`."""
    found = []
    for part in names(text):
        pattern, colon, time = (word.strip() for word in part.rpartition(":"))
        if not colon or not pattern.startswith(("/", "*")):
            raise ValueError(f'"{part}" is not a route and its time; write /pattern:time, such as /report/*:600')
        found.append((pattern, quantities.time(time)))
    return tuple(found)


def route_times_words(routes: tuple[tuple[str, float], ...]) -> str:
    """Times of routes as they are written."""
    return listed(tuple(f"{pattern}:{quantities.time_words(time)}" for pattern, time in routes))


def lanes(text: str) -> tuple[Lane, ...]:
    """A list of lanes."""
    return distinct(tuple(lane(part) for part in names(text)))


def sessions(text: str) -> str:
    """Where sessions are kept. What is wrong is not repeated: it may hold a password."""
    if text not in {"file", "memory", "postgresql"} and not STORE.match(text):
        raise ValueError(
            "it is not one of file, memory, postgresql, and does not begin with redis://, rediss://, unix:// or postgresql://"
        )
    return text


def choice(*words: str, synonyms: dict[str, str] | None = None, unset: frozenset[str] = UNSET) -> Kind:
    """One word out of several; `synonyms` maps other spellings to them."""
    spellings = {word: word for word in words} | (synonyms or {})

    def parse(text: str, _base: Path) -> str:
        try:
            return spellings[text.lower()]
        except KeyError:
            raise ValueError(f'"{text}" is not one of {", ".join(words)}') from None

    return Kind("|".join(words), "one of " + ", ".join(f"`{word}`" for word in words), parse, unset=unset)


def plain(
    metavar: str, words: str, parse: Callable[[str], Any], show: Callable[[Any], str] = str, unset: frozenset[str] = UNSET
) -> Kind:
    """A kind whose values have nothing to do with directories."""
    return Kind(metavar, words, lambda text, _base: parse(text), show, unset)


APP = Kind("MODULE:ATTRIBUTE", "`module:attribute`, `module:factory()` or `odoo:/path`", application)
HOOK = plain("MODULE:FUNCTION", "`module:function`", function)
COUNT = plain("NUMBER|auto", "a whole number", number_or_auto)
NUMBER = plain("NUMBER", "a whole number", whole_number)
PORT = plain("PORT", "a port", whole_number)
OLD_PORT = plain("PORT", "a port", whole_number, unset=UNSET | {"0"})  # Odoo 17 saves `longpolling_port = 0`
SWITCH = plain("BOOLEAN", "`True` or `False`", truth, unset=frozenset({"", "none"}))
SIZE = plain("SIZE", "a size", quantities.size, quantities.size_words)
TIME = plain("TIME", "a time", quantities.time, quantities.time_words)
CRON_TIME = plain("TIME", "a time", quantities.time, quantities.time_words, UNSET | {"-1"})
MODE = plain("OCTAL", "three octal digits", octal, lambda bits: f"{bits:03o}")
INTERFACES = Kind(
    "ADDRESSES",
    "IP addresses, host names and `unix:/path`, separated by commas; empty for all",
    addresses.interfaces,
    listed,
    unset=OR_EMPTY,
)
NAMES = plain("NAMES", "names separated by commas", names, listed)
WORDS = plain("WORDS", "words as in a shell", words, shlex.join)
PATTERNS = plain("PATHS", "paths separated by commas; `*` stands for anything", patterns, listed)
URLS = plain("PATHS", "paths separated by commas; empty for none", urls, listed, OR_EMPTY)
EMAILS = plain("ADDRESSES", "mail addresses separated by commas", addresses.emails, listed)
URL = plain("URL", "an address of http or https", addresses.url, lambda _text: "(not shown)")
NETWORKS = plain("NETWORKS", "IP addresses and networks separated by commas", addresses.networks, listed)
ROUTE_TIMES = plain("ROUTES", "`/pattern:time`, separated by commas", route_times, route_times_words)
LANES = plain("LANES", "`name:pattern:count`, separated by commas; empty for none", lanes, listed, OR_EMPTY)
WORD = plain("NAME", "a word", str)
SECRET = plain("SECRET", "a secret", str, lambda _text: "(not shown)")
DSN = plain("DSN", "libpq's words or a URI", dsn, without_password)
SSLMODE = choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
ACCOUNT = plain("NAME", "a name or a number", str)
PATH = Kind("PATH", "a path", paths.path)
CONTROL_GROUP = Kind("auto|off|PATH", "`auto`, `off` or a path", paths.control_group, unset=frozenset({""}))
PATHS = Kind("PATHS", "paths separated by commas", paths.paths, lambda found: listed(tuple(map(str, found))))
PLACES = Kind("PLACES", "`/prefix=directory`, separated by commas", paths.places, lambda found: listed(tuple(map("=".join, found))))
SESSIONS = plain(
    "STORE",
    "`file`, `memory`, `postgresql`, or an address: `redis://…`, `rediss://…`, `unix:///path`, `postgresql://…`",
    sessions,
    without_password,
)
PROGRAM = Kind("PATH", "a path, or a name to be found on `PATH`", paths.program)
LEVEL = choice(
    "debug",
    "info",
    "warning",
    "error",
    "critical",
    synonyms={
        "notset": "debug",
        "debug_rpc": "debug",
        "debug_rpc_answer": "debug",
        "debug_sql": "debug",
        "warn": "warning",
        "test": "info",
        "runbot": "info",
    },
)
PRELOAD = choice(
    "auto",
    "true",
    "false",
    synonyms={"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"},
    unset=frozenset({"", "none"}),
)
INTERFACE = choice("auto", "wsgi", "asgi")
PLAN = choice(*PLANS)
ENCRYPTION = choice(
    "off",
    "starttls",
    "tls",
    synonyms={"false": "off", "no": "off", "0": "off", "true": "starttls", "yes": "starttls", "on": "starttls", "1": "starttls"},
    unset=frozenset({"", "none"}),
)
FORMAT = choice("text", "json")
ACCESS = choice("prefork", "odoo", "combined", "json")
