"""A topology: which nodes there are, what each of them does, and what the site is. Read from TOML, every problem at once."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_type_hints

from prefork.config.quantities import size
from prefork.config.reader import INLINE_COMMENT
from prefork.config.settings import NAMES as KNOWN
from prefork.config.settings import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHIPPED = ("single", "two-node", "enterprise", "kubernetes")
ROLES = ("edge", "app", "cron", "websocket", "pooler", "database", "consensus", "sessions", "monitor")
SERVERS = frozenset({"app", "cron", "websocket"})  # the roles that a Prefork fulfils
PROXIES = ("nginx", "haproxy", "apache")
PLATFORMS = ("machines", "kubernetes")
POOLING = ("session", "transaction")
SHARED = ("edge", "pooler")  # the roles whose nodes can share an address
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
ADDRESS = re.compile(r"[0-9A-Za-z.:-]+")
DOMAIN = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]*")
PATH = re.compile(r"/[^\s\"';{}]*")
EXPORT = re.compile(r"[0-9A-Za-z.-]+:/[^\s\"';{}]*")
FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
OPTION = re.compile(r"[A-Za-z][0-9A-Za-z_.-]*")
PORTS = range(1, 65536)
SITE_NUMBERS = {"http_port": PORTS, "https_port": PORTS, "logins_per_minute": range(1, 100_000), "postgresql": range(10, 100)}
NODE_NUMBERS = {"cpus": range(1, 4097), "memory": range(64 << 20, 1 << 50), "replicas": range(1, 10_000)}
PATHS = ("tree", "python", "prefork", "data_dir", "filestore", "certificate", "certificate_key")
ALLOWED = {
    NAME: "small letters, digits and hyphens may be in it, after a letter",
    DOMAIN: "it is a host name such as www.example.com",
    IMAGE: "it is an image such as registry.example.com/shop:1.0",
    PATH: "it is an absolute path without spaces and quotes",
}


class Invalid(Exception):
    """The topology cannot be used. `sentences` says everything that is wrong with it."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(sentences))


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is the same for all nodes. `odoo` is the version of Odoo, such as 18.0; empty for another application."""

    name: str = "site"
    platform: str = "machines"
    image: str = "registry.example.com/site:1.0"  # of containers
    domain: str = "www.example.com"
    odoo: str = ""
    app: str = "mysite.wsgi:application"
    tree: str = "/opt/odoo"  # Odoo's own directory
    addons: tuple[str, ...] = ()  # further directories of add-ons
    python: str = "/opt/site/venv/bin/python"  # the application's interpreter
    prefork: str = "/opt/prefork/bin/prefork"
    user: str = "site"
    data_dir: str = "/var/lib/site"
    filestore: str = "/var/lib/site/filestore"
    share: str = ""  # the directory of an NFS server, as in 10.0.0.70:/site, that all nodes mount
    database: str = "site"
    certificate: str = "/etc/ssl/site/fullchain.pem"
    certificate_key: str = "/etc/ssl/site/privkey.pem"
    http_port: int = 80
    https_port: int = 443
    login_path: str = ""
    logins_per_minute: int = 10
    waf: bool = False
    pooling: str = "session"
    synchronous: bool = True
    postgresql: int = 15

    @property
    def version(self) -> int:
        """The first number of Odoo's version; 0 for another application."""
        return int(self.odoo.partition(".")[0] or 0)

    @property
    def kubernetes(self) -> bool:
        """Whether nodes are no machines but Deployments."""
        return self.platform == "kubernetes"

    @property
    def live_paths(self) -> tuple[str, ...]:
        """The routes of long-lived connections, which differ between the versions of Odoo."""
        if not self.odoo:
            return ("/websocket", "/longpolling/poll")
        return ("/websocket", "/web/websocket") if self.version >= 16 else ("/longpolling",)

    @property
    def addons_path(self) -> tuple[str, ...]:
        """All directories of add-ons, in Odoo's order: where one is named, Odoo leaves out those of its own tree."""
        return (*self.addons, f"{self.tree}/addons", f"{self.tree}/odoo/addons")

    @property
    def share_place(self) -> str:
        """Where it is mounted: Odoo keeps attachments and sessions in its data directory, and Prefork nothing."""
        return self.data_dir if self.odoo else self.filestore

    @property
    def login(self) -> str:
        """The path whose requests are limited; empty where none is known."""
        return self.login_path or ("/web/login" if self.odoo else "")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine, or a Deployment. `options` are those of its Prefork, as the file has them; `conf` is that file's name."""

    name: str
    address: str
    roles: tuple[str, ...]
    cpus: int = 4
    memory: int = 8 << 30  # bytes
    proxy: str = "nginx"
    replicas: int = 2  # of a Deployment
    conf: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether a Prefork runs here."""
        return not SERVERS.isdisjoint(self.roles)


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The site, its nodes, and the addresses that nodes of one role share."""

    site: Site
    nodes: tuple[Node, ...]
    shared: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def having(self, role: str) -> tuple[Node, ...]:
        """The nodes with a role, in their order."""
        return tuple(node for node in self.nodes if role in node.roles)

    def address(self, role: str) -> str:
        """Where the others reach a role: its shared address, or its first node's."""
        return self.shared.get(role) or self.having(role)[0].address

    @property
    def replicated(self) -> bool:
        """Whether the database has standbys, which Patroni leads."""
        return len(self.having("database")) > 1


def shipped(name: str) -> str:
    """Its text, to be copied and changed."""
    return files(__package__).joinpath("topologies", f"{name}.toml").read_text()


def parse(text: str, source: str) -> Topology:
    """A topology from TOML. Raises Invalid; each sentence names `source` and the key."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid([f"{source}: this is no TOML: {error}"]) from None
    problems: list[str] = []
    site = record(Site, table.pop("site", {}), "site", problems)
    nodes = [record(Node, {"name": name, **entry}, f"nodes.{name}", problems) for name, entry in tables(table, "nodes", problems)]
    shared = addresses(table, "shared", problems)
    problems += [unknown(key, key, ("site", "nodes", "shared")) for key in table]
    if not problems:
        topology = Topology(site=site, nodes=tuple(nodes), shared=shared)
        problems += contradictions(topology)
    if problems:
        raise Invalid([f"{source}: {problem}" for problem in problems])
    return topology


def tables(table: dict[str, Any], key: str, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named tables below a key."""
    found = table.pop(key, {})
    if not isinstance(found, dict) or not found:
        problems.append(f"{key}: there is no node; a node is a table such as [nodes.app1]")
        return
    for name, entry in found.items():
        if isinstance(entry, dict):
            yield name, entry
        else:
            problems.append(f"{key}.{name}: a node is a table, [{key}.{name}]")


def addresses(table: dict[str, Any], key: str, problems: list[str]) -> dict[str, str]:
    """The addresses below a key, by their roles."""
    found = table.pop(key, {})
    if not isinstance(found, dict):
        problems.append(f"{key}: this is a table, [{key}]")
        return {}
    problems += [
        f'{key}.{role}: "{address}" is no address'
        for role, address in found.items()
        if not isinstance(address, str) or not ADDRESS.fullmatch(address)
    ]
    return found


def record(kind: Any, entry: object, where: str, problems: list[str]) -> Any:
    """One table as an object; what cannot be used is left at its default and is a problem."""
    hints, values = get_type_hints(kind, localns={"Mapping": dict}), {}
    if not isinstance(entry, dict):
        problems.append(f"{where}: this is a table, [{where}]")
        entry = {}
    required = {"name": "", "address": "127.0.0.1", "roles": ()} if kind is Node else {}
    for key, value in entry.items():
        if key not in hints:
            problems.append(unknown(key, f"{where}.{key}", [each.name for each in fields(kind)]))
            continue
        try:
            values[key] = converted(hints[key], key, value)
        except ValueError as error:
            problems.append(f"{where}.{key}: {error}")
    problems += [f"{where}: {key} is missing" for key in required if key not in entry]
    return kind(**{**required, **values})


def converted(hint: Any, key: str, value: Any) -> Any:
    """One value as its field wants it. Raises ValueError with a sentence."""
    if key == "memory":
        return size(value) if isinstance(value, str) else size(str(value))
    if key == "options":
        if not isinstance(value, dict) or not all(isinstance(each, (str, int, float)) for each in value.values()):
            raise ValueError("options are a table of texts and numbers, as the file of a server has them")
        return {name: str(each) for name, each in value.items()}
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError('this is a list of texts, such as ["app", "cron"]')
        return tuple(value)
    if type(value) is not hint:
        raise ValueError(
            f"this is {'a text' if hint is str else 'true or false' if hint is bool else 'a whole number'}, not {value!r}"
        )
    return value


def unknown(key: str, where: str, known: Any) -> str:
    """The sentence about a key that nobody reads."""
    close = difflib.get_close_matches(key, known, 1)
    return f"{where}: unknown key" + (f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}")


def contradictions(topology: Topology) -> Iterator[str]:
    """What no file could be rendered from."""
    yield from site_contradictions(topology.site)
    for node in topology.nodes:
        yield from node_contradictions(node)
    for role in ("app",) if topology.site.kubernetes else ("edge", "app"):
        if not topology.having(role):
            yield f"nodes: no node has the role {role}"
    for role in topology.shared:
        if role not in SHARED or not topology.having(role):
            yield f"shared.{role}: only {' and '.join(SHARED)} can share an address, where nodes have that role"
    for node in topology.nodes if topology.site.kubernetes else ():
        if others := [role for role in node.roles if role not in SERVERS]:
            yield f"nodes.{node.name}.roles: on Kubernetes there are {', '.join(sorted(SERVERS))}, not {', '.join(others)}"
    if topology.replicated and not topology.having("consensus"):
        yield "nodes: several databases need etcd to agree on the primary; give three nodes the role consensus"
    if len(topology.having("sessions")) > 1:
        yield "nodes: more than one has the role sessions, and each Redis would have sessions of its own; leave it with one"
    if topology.replicated and not topology.having("pooler"):
        yield "nodes: several databases need nodes with the role pooler, which lead to the primary"


def site_contradictions(site: Site) -> Iterator[str]:
    """What is wrong with what all nodes have in common. Whatever ends up in a file between its own signs is checked here."""
    for pattern, keys in ((NAME, ("name", "user", "database")), (DOMAIN, ("domain",)), (IMAGE, ("image",)), (PATH, PATHS)):
        for key in keys:
            if not pattern.fullmatch(getattr(site, key)):
                yield f'site.{key}: "{getattr(site, key)}" cannot be used; {ALLOWED[pattern]}'
    for directory in site.addons:
        if not PATH.fullmatch(directory):
            yield f'site.addons: "{directory}" cannot be used; {ALLOWED[PATH]}'
    if not site.odoo:
        yield from option_contradictions({"app": site.app}, "site")
    yield from number_contradictions(site, SITE_NUMBERS, "site")
    if site.login_path and not PATH.fullmatch(site.login_path):
        yield f'site.login_path: "{site.login_path}" cannot be used; {ALLOWED[PATH]}'
    if site.share and not EXPORT.fullmatch(site.share):
        yield f'site.share: "{site.share}" cannot be used; it is a directory of an NFS server such as 10.0.0.70:/site'
    if site.odoo and not re.fullmatch(r"\d{2}\.\d", site.odoo, re.ASCII):
        yield f'site.odoo: "{site.odoo}" is no version of Odoo; write one such as 18.0'
    if site.platform not in PLATFORMS:
        yield f'site.platform: "{site.platform}" is none of {", ".join(PLATFORMS)}'
    if site.pooling not in POOLING:
        yield f'site.pooling: "{site.pooling}" is none of {", ".join(POOLING)}'


def node_contradictions(node: Node) -> Iterator[str]:
    """What is wrong with one node."""
    where = f"nodes.{node.name}"
    if not NAME.fullmatch(node.name):
        yield f"{where}: a name has small letters, digits and hyphens"
    if not ADDRESS.fullmatch(node.address):
        yield f'{where}.address: "{node.address}" is no address'
    yield from number_contradictions(node, NODE_NUMBERS, where)
    if node.conf and not FILE.fullmatch(node.conf):
        yield f'{where}.conf: "{node.conf}" is no name of a file; letters, digits, dots and hyphens may be in it'
    yield from option_contradictions(node.options, f"{where}.options")
    if not node.roles:
        yield f"{where}.roles: it has none; known are {', '.join(ROLES)}"
    for role in node.roles:
        if role not in ROLES:
            yield unknown(role, f"{where}.roles", ROLES).replace("unknown key", f'"{role}" is no role')
    if node.proxy not in PROXIES:
        yield f'{where}.proxy: "{node.proxy}" is none of {", ".join(PROXIES)}'


def number_contradictions(of: Site | Node, bounds: Mapping[str, range], where: str) -> Iterator[str]:
    """Which numbers cannot be."""
    for name, allowed in bounds.items():
        if getattr(of, name) not in allowed:
            yield f"{where}.{name}: this is from {allowed.start} to {allowed.stop - 1}, not {getattr(of, name)}"


def option_contradictions(options: Mapping[str, str], where: str) -> Iterator[str]:
    """What is wrong with options by themselves; names that are none of ours may be those of Odoo."""
    for name, text in options.items():
        if not OPTION.fullmatch(name):
            yield f"{where}: {name!r} is no name of an option"
        elif not text.isprintable() or INLINE_COMMENT.search(f" {text}"):
            yield f"{where}.{name}: a value is one line, and no ; or # stands behind a space in it"
        elif name in KNOWN and text.lower() not in (option := OPTIONS[KNOWN[name]]).kind.unset:
            try:
                option.parse(text, Path("/"))
            except ValueError as error:
                yield f"{where}.{name}: {error}"
