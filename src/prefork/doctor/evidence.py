"""What probes gather: values only, with nothing open in them. Checks read them, and tests make them.

Secrets stay behind: no password of a file or an address is in any of these.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config.hosted import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.config import Problem, Settings
    from prefork.doctor.routing import Proxy
    from prefork.incidents import Incident


class Unseen(NamedTuple):
    """Evidence that was asked for and cannot be had: a sentence that says why."""

    why: str


@dataclass(frozen=True)
class Conf:
    """A configuration file. `odoo` tells that it is Odoo's own, whose defaults differ; `unknown` are keys that nobody reads."""

    file: Path
    settings: Settings
    odoo: bool
    wrong: tuple[Problem, ...] = ()
    unknown: tuple[Problem, ...] = ()

    @property
    def workers(self) -> int:
        """HTTP workers. Odoo's own default is none."""
        return 0 if self.odoo and "workers" not in self.settings.sources else self.settings.fewest_workers

    @property
    def cron(self) -> int:
        """Workers for jobs."""
        return self.settings.max_cron_threads if self.odoo or self.settings.job_source else 0

    @property
    def processes(self) -> int:
        """All that have a worker's memory: for requests, for jobs, for live connections."""
        return (self.workers + 1 if self.settings.http_enable else 0) + self.cron

    @property
    def data_dir(self) -> Path:
        """Where attachments and sessions are. Odoo's own default is another."""
        usual = self.odoo and "data_dir" not in self.settings.sources
        return Path("~/.local/share/Odoo").expanduser() if usual else self.settings.data_dir

    def says(self, name: str) -> str:
        """A line of the file, or the default, with its place."""
        source = self.settings.source(name)
        value = self.workers if name == "workers" else self.settings.shown(name)
        return f"{name} = {value} ({source})"

    def says_host(self, name: str) -> str:
        """The same of a key that is Odoo's own."""
        return f"{name} = {printable(name, self.settings.host_options.get(name, ''))}"


@dataclass(frozen=True)
class Machine:
    """The machine, or the part of it that is ours. Sizes are bytes, `loop` is milliseconds for a fixed piece of Python.

    `patroni` is the version of the Patroni that runs here, empty where none does.
    """

    cpus: float
    memory: int
    available: int | None = None
    swap: int = 0
    disk: str = "unknown"
    place: str = "/"
    loop: float = 0.0
    ooms: int = 0
    patroni: str = ""


@dataclass(frozen=True)
class Server:
    """A running server, by its processes. `own` tells that it is Prefork; `memory` is the proportional bytes of each worker.

    Where processes are not `titled`, those for jobs are among the `http` workers, as nothing tells them apart.

    `unit` is the service that it belongs to, empty where none has started it; `enabled` is None where nobody can tell.
    """

    pid: int
    own: bool
    http: int
    memory: tuple[int, ...]
    ports: frozenset[int]
    unit: str = ""
    enabled: bool | None = None
    titled: bool = True
    busy: float | None = None


class Started(NamedTuple):
    """What a running Prefork was told beside its file: flags, relative to a directory, and variables."""

    flags: Mapping[str, str]
    cwd: Path
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Live:
    """What a running Prefork says: its status, its incidents, the latest last, and what it was told."""

    status: Mapping[str, Any]
    incidents: tuple[Incident, ...]
    now: float
    started: Started | None = None


@dataclass(frozen=True)
class Log:
    """What the end of a log says, counted. `hours` is the time that it covers; `urls` are those whose workers were killed."""

    path: str
    hours: float
    recycled: int = 0
    killed: int = 0
    out_of_memory: int = 0
    unbound: int = 0
    pool_full: int = 0
    urls: tuple[str, ...] = ()
    costly: tuple[tuple[str, int], ...] = ()
    slow: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Page:
    """An answer, its head only. `location` is where it redirects to."""

    status: int
    location: str = ""
    server: str = ""


@dataclass(frozen=True)
class Site:
    """A site as a client sees it, through everything that stands before it.

    `tls` is what is wrong with its certificate; `days` those that it is still valid. `plain` is what the same host answers without
    TLS, None where it does not. `upgrade` is None where a WebSocket was opened, else what came instead; `live` is the path that was
    tried.
    """

    url: str
    home: Page
    tls: str = ""
    days: float | None = None
    plain: Page | None = None
    live: str = ""
    upgrade: str | None = None
    loopback: bool = False
    version: int | None = None


class Table(NamedTuple):
    """A table's figures. `dead` and `rows` are estimates of the server's own; `wasted` is of ours, in bytes, as is `size`."""

    name: str
    size: int
    rows: int
    dead: int
    wasted: int = 0
    scans: int = 0
    scanned: int = 0
    vacuum: bool = True


class Session(NamedTuple):
    """A connection with an open transaction. `age` in seconds."""

    pid: int
    name: str
    state: str
    age: float


class Standby(NamedTuple):
    """Who reads the log of changes, and how far behind it is, in bytes."""

    name: str
    behind: int


@dataclass(frozen=True)
class Database:
    """A PostgreSQL, as read in transactions that change nothing. None stands for what this account may not see.

    `pooled` is how a pooler between us lends its connections: `""` where there is none, else `session` or `transaction`.
    `backup` is the age of the last base backup in seconds, and `rights` whether that may be seen; `archived` tells whether the
    last attempt to archive has succeeded.
    """

    settings: Mapping[str, str]
    used: int
    most: int
    reserved: int = 3
    pooled: str = ""
    tables: tuple[Table, ...] = ()
    sessions: tuple[Session, ...] = ()
    unindexed: tuple[tuple[str, str, int], ...] = ()
    custom: tuple[tuple[str, str, int], ...] = ()
    standbys: tuple[Standby, ...] = ()
    slots: tuple[Standby, ...] = ()
    standby_of: float | None = None
    archived: bool | None = None
    backup: float | None = None
    rights: bool = True
    statements: bool = False
    two_ways: bool = False
    age: int = 0

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.settings.get(name) == "on"


@dataclass(frozen=True)
class Evidence:
    """All that was gathered. None: nobody asked for it."""

    conf: Conf | Unseen | None = None
    machine: Machine | None = None
    server: Server | Unseen | None = None
    live: Live | Unseen | None = None
    log: Log | None = None
    proxy: Proxy | Unseen | None = None
    site: Site | Unseen | None = None
    database: Database | Unseen | None = None
    version: int | None = None

    def seen(self) -> dict[str, Any]:
        """What can be looked at, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None and not isinstance(value, Unseen)}

    def unseen(self) -> dict[str, str]:
        """Why the rest cannot be looked at, of what was asked for."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value.why for name, value in values.items() if isinstance(value, Unseen)}
