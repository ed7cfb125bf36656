"""What nginx does with a request, pure: which server and location take it, what they inherit, and where it goes.

Follows nginx's own rules: an exact location, else the longest prefix, unless a regular expression matches that the prefix does not
forbid; lists such as `proxy_set_header` come from the innermost level that has any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
PATIENCE = 60.0  # seconds: nginx's own default for its timeouts


class Directive(NamedTuple):
    """One directive with its block, if it has one."""

    name: str
    args: tuple[str, ...]
    place: str
    block: tuple[Directive, ...] = ()


@dataclass(frozen=True)
class Place:
    """A block with those around it, the innermost last."""

    chain: tuple[tuple[Directive, ...], ...]
    title: str
    at: str

    def all(self, name: str) -> tuple[Directive, ...]:
        """Directives of a name, from the innermost level that has one."""
        found = (tuple(each for each in block if each.name == name) for block in reversed(self.chain))
        return next((level for level in found if level), ())

    def own(self, name: str) -> tuple[Directive, ...]:
        """Those of the block itself."""
        return tuple(each for each in self.chain[-1] if each.name == name)

    def text(self, name: str) -> str:
        """The arguments of the one in force; empty where there is none."""
        found = self.all(name)
        return " ".join(found[0].args) if found else ""

    def seconds(self, name: str) -> float:
        """A time limit, nginx's default where none is set."""
        return duration(self.text(name)) or PATIENCE

    def header(self, name: str) -> str:
        """What a header is set to for the server behind; empty where it is not set."""
        headers = {each.args[0].lower(): " ".join(each.args[1:]) for each in self.all("proxy_set_header") if each.args}
        return headers.get(name.lower(), "")

    @property
    def passes(self) -> str:
        """Where requests go, as written; empty where they end here."""
        found = self.own("proxy_pass")
        return found[0].args[0] if found else ""

    def inside(self, directive: Directive, title: str) -> Place:
        """A block within this one."""
        return Place((*self.chain, directive.block), title, directive.place)


@dataclass(frozen=True)
class Proxy:
    """nginx's files as one tree. `misspelt` are directives that nobody knows, with those that they look like."""

    file: str
    tree: tuple[Directive, ...]
    misspelt: tuple[tuple[Directive, str], ...] = ()

    def servers(self) -> Iterator[Place]:
        """Each server; for a file with locations alone, the one that includes it."""
        if any(each.name == "location" for each in self.tree):
            yield Place((self.tree,), "the server", self.file)
        yield from within(Place((self.tree,), "nginx", self.file))

    def sites(self) -> Iterator[Place]:
        """The servers that pass something on, or would if what is asked for is the site itself."""
        return (server for server in self.servers() if any(place.passes for place in locations(server)))

    def targets(self, place: Place) -> tuple[str, ...]:
        """The addresses that a location's requests go to, as `host:port`."""
        found = re.match(r"https?://([^/$]+)", place.passes)
        if not found:
            return ()
        upstreams = [each for level in (self.tree, *(d.block for d in self.tree)) for each in level if each.name == "upstream"]
        named = next((each for each in upstreams if each.args == (found[1],)), None)
        hosts = [each.args[0] for each in named.block if each.name == "server"] if named else [found[1]]
        return tuple(host if re.search(r":\d+$", host) or host.startswith("unix:") else f"{host}:80" for host in hosts)


def within(place: Place) -> Iterator[Place]:
    """The servers below a block that may hold them."""
    for each in place.chain[-1]:
        if each.name == "http":
            yield from within(place.inside(each, "http"))
        elif each.name == "server" and each.block:
            names = next((" ".join(line.args) for line in each.block if line.name == "server_name"), "")
            yield place.inside(each, f"server {names}".rstrip())


def locations(server: Place) -> Iterator[Place]:
    """All locations of a block, nested ones included."""
    for each in server.own("location"):
        inner = server.inside(each, f"location {' '.join(each.args)}")
        yield inner
        yield from locations(inner)


def route(server: Place, path: str) -> Place | None:
    """The location that takes a path."""
    mine = [(parts(each), server.inside(each, f"location {' '.join(each.args)}")) for each in server.own("location")]
    for (modifier, pattern), place in mine:
        if modifier == "=" and pattern == path:
            return place
    prefixes = [(pattern, modifier, place) for (modifier, pattern), place in mine if modifier in {"", "^~"}]
    fitting = [each for each in prefixes if path.startswith(each[0]) and not each[0].startswith("@")]
    best = max(fitting, key=lambda each: len(each[0]), default=None)
    deeper = route(best[2], path) if best else None
    if deeper is not None:
        return deeper
    if best is None or best[1] != "^~":
        for (modifier, pattern), place in mine:
            if modifier in {"~", "~*"} and matches(pattern, path, insensitive=modifier == "~*"):
                return place
    return best[2] if best else None


def parts(location: Directive) -> tuple[str, str]:
    """A location's modifier, which may be glued to its pattern, and the pattern."""
    if len(location.args) > 1:
        return location.args[0], location.args[1]
    found = re.match(r"(=|~\*|~|\^~)?(.*)", location.args[0] if location.args else "")
    assert found
    return found[1] or "", found[2]


def matches(pattern: str, path: str, *, insensitive: bool) -> bool:
    """Whether a regular expression matches; one that Python does not understand does not."""
    try:
        return re.search(pattern, path, re.IGNORECASE if insensitive else 0) is not None
    except re.error:
        return False


def duration(text: str) -> float:
    """Seconds in `60`, `720s`, `1m 30s` or `86400s`; 0 where it is none."""
    total = 0.0
    for part in text.split():
        found = re.fullmatch(r"(\d+)(ms|[smhd]|)", part)
        if not found:
            return 0.0
        total += int(found[1]) * SECONDS[found[2]]
    return total


def port(address: str) -> int | None:
    """The port of `host:port`."""
    found = re.search(r":(\d+)$", address)
    return int(found[1]) if found else None


def local(address: str) -> bool:
    """Whether an address is this machine's own."""
    return address.rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"} or address.startswith("unix:")
