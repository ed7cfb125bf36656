"""`Settings`: the effective value of every option, frozen, with the source of each.

It is made by `prefork.config.load`, or directly in tests. It must stay picklable and free of anything that is open.
"""

from __future__ import annotations

import os
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config.dsn import SQLITE
from prefork.config.embedded import address_in
from prefork.config.groups import (
    GROUPS,
    HTTP,
    Alerts,
    Application,
    Console,
    Limits,
    Live,
    Logging,
    Process,
    Sessions,
    Store,
    Timeouts,
    Workers,
)
from prefork.config.groups.workers import MOST_PLACES, USUAL_CONCURRENCY
from prefork.config.kinds import AUTO
from prefork.config.option import Derived, Option, Surroundings, declared
from prefork.config.problems import DEFAULT, Problem, Source
from prefork.sizing.database import LEAST
from prefork.sizing.database import USUAL as POOL

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROL_SOCKET = "prefork.sock"  # in the data directory
STORE_FILE = "store.db"

OPTIONS: dict[str, Option] = {each.name: each for group in GROUPS for each in declared(group)}
NAMES: dict[str, str] = {name: each.name for each in OPTIONS.values() for name in (each.name, *each.aliases)}


class Origin(NamedTuple):
    """What settings were read from, so that they can be read again: as it was given on the command line."""

    file: Path | None
    flags: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, kw_only=True)
class Settings(Alerts, Console, Sessions, Process, Logging, Store, Timeouts, Limits, Live, HTTP, Workers, Application):
    """One attribute per option; times are seconds (float), sizes bytes (int).

    `file` is the one that was read. `host_options` and `host_sections` are the application's own keys and sections, as written;
    `host_told` are those that the application does not find in the file, because they come from elsewhere, or not as they are
    meant, because a comment is behind them.
    `remarks` are warnings that came up while reading, `origin` is what they were read from.
    """

    host_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    host_sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    host_told: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: Path | None = field(default=None, repr=False, compare=False)
    sources: Mapping[str, Source] = field(default_factory=dict, repr=False, compare=False)
    remarks: tuple[Problem, ...] = field(default=(), repr=False, compare=False)
    origin: Origin | None = field(default=None, repr=False, compare=False)
    surroundings: InitVar[Surroundings | None] = None

    def __post_init__(self, surroundings: Surroundings | None) -> None:
        """Complete the derived defaults."""
        surroundings = surroundings or Surroundings(Path.cwd(), os.environ)
        for name, each in OPTIONS.items():
            if isinstance(each.default, Derived) and getattr(self, name) is None:
                object.__setattr__(self, name, each.default.compute(vars(self), surroundings))

    def source(self, name: str) -> Source:
        """Where the value of an option came from."""
        return self.sources.get(name, DEFAULT)

    def shown(self, name: str) -> str:
        """The value of an option as people read it."""
        return OPTIONS[name].shown(self.value(name))

    def value(self, name: str) -> Any:
        """The value of an option by name."""
        return getattr(self, name)

    @property
    def threaded(self) -> bool:
        """Whether one process serves all requests, in threads."""
        return self.workers == 0

    @property
    def processes(self) -> int:
        """The HTTP worker processes to start."""
        return max(1, self.fewest_workers) if self.http_enable else 0

    @property
    def automatic(self) -> bool:
        """Whether the server finds the number of HTTP workers."""
        return self.workers == AUTO and self.http_enable

    @property
    def fewest_workers(self) -> int:
        """The HTTP workers there are at the least: where the server does not find their number, as many as are set."""
        return self.workers if isinstance(self.workers, int) else self.workers_min

    @property
    def most_workers(self) -> int:
        """And at the most."""
        return self.workers if isinstance(self.workers, int) else self.workers_max or self.workers_min

    @property
    def at_a_time(self) -> int:
        """Requests that a worker serves at a time where it has an event loop."""
        return self.concurrency or min(USUAL_CONCURRENCY, MOST_PLACES // max(1, self.most_workers))

    @property
    def connections_each(self) -> int:
        """The database connections that a worker may open."""
        given = self.host_options.get("db_maxconn", "").strip()
        usual = POOL if self.odoo else LEAST
        return max(1, int(given)) if given.isdecimal() and len(given) < 10 else usual

    @property
    def listens(self) -> bool:
        """Whether clients can connect."""
        return self.http_enable or self.websocket_workers > 0

    @property
    def open_live_port(self) -> bool:
        """Whether `websocket_port` serves all else, too, as Odoo's does: proxies send everything below /websocket there."""
        return self.odoo is not None

    @property
    def stores(self) -> bool:
        """Whether anything here needs the store."""
        return bool(self.jobs) or self.session_store == "postgresql" or self.bus

    @property
    def embedded(self) -> bool:
        """Whether the store is a database of the server's own."""
        return self.stores and self.store_dsn is None and not self.in_file

    @property
    def in_file(self) -> bool:
        """Whether the store is a SQLite file, which threaded mode needs no database for."""
        if self.store_dsn is None:
            return self.threaded and bool(self.jobs) and self.session_store != "postgresql" and not self.bus
        return self.store_dsn.startswith(SQLITE)

    @property
    def store_address(self) -> str:
        """Where the store is, with its password, or where it would be."""
        return self.store_dsn or (f"{SQLITE}{self.data_dir / STORE_FILE}" if self.in_file else address_in(self.data_dir))

    @property
    def has_jobs(self) -> bool:
        """Whether something says what jobs are due: the store, the application, or Odoo with its scheduled actions."""
        return bool(self.job_source or self.odoo)

    @property
    def cron_processes(self) -> int:
        """The workers for scheduled jobs to start: none where there are no jobs."""
        return self.max_cron_threads if self.has_jobs else 0

    @property
    def subject(self) -> str:
        """What is run, in a word: the application, or where its jobs come from."""
        return "odoo" if self.odoo else self.app or ", ".join(self.jobs) or self.job_source or "nothing"

    @property
    def control_socket(self) -> Path:
        """Where the running server takes commands."""
        return self.data_dir / CONTROL_SOCKET


def restart_needed(old: Settings, new: Settings) -> tuple[str, ...]:
    """The options that differ and take effect only with a restart."""
    return tuple(name for name, each in OPTIONS.items() if each.applies == "restart" and old.value(name) != new.value(name))
