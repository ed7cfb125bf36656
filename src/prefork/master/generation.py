"""A generation: one loading of the application's code with the settings of that moment, and the template that holds it."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from prefork.config.embedded import WITHIN, directory_in
from prefork.config.hosted import told
from prefork.master.spawn import start_template
from prefork.orders import bond

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.master.spawn import Helper, Owner

TERMS = ("connections", "origins", "message_max", "send_queue", "rate", "ping", "farewell", "compression")
HOOKS = ("after_fork", "worker_ready", "worker_exit")
FIRST_START = 10.0  # seconds that the server's own database may take to be made; it is started beside the template
NEVER = 2**62  # requests: a worker's limit when there is none


class Generation:
    """`template` is the process while there is one, `loaded` whether it can fork, `preload` what it is told to do.

    `node` is the name that its workers claim jobs by, `threads` how many each of them runs, 0 outside of threaded mode. `looped`:
    its application is of ASGI, as far as is known, and `concurrency` how many requests at a time a worker has on its loop then, 0
    otherwise. `reads`: its interpreter can read requests as the dispatcher does, as far as is known.
    """

    def __init__(self, number: int, settings: Settings, node: str = "") -> None:
        self.number = number
        self.settings = settings
        self.node = node
        self.preload = settings.preload
        self.threads = settings.threads if settings.threaded else 0
        self.looped = settings.interface == "asgi"
        self.reads = True
        self.template: Helper | None = None
        self.loaded = False
        self.started = 0.0

    @property
    def concurrency(self) -> int:
        """Requests that a worker has at a time on its loop; 0 where it has none."""
        return self.settings.at_a_time if self.looped else 0

    def start(self, owner: Owner, log: int, descriptors: list[int], *, at_terminal: bool) -> Helper:
        """Start the template and tell it what to load; `descriptors` are those of scoreboard, reports and spool directory,
        and of what the application keeps: directories of sessions and files, secret of the sessions, directory of the database
        where it is one of the server's own.

        Raises OSError when the interpreter cannot be executed.
        """
        self.started = time.monotonic()
        self.loaded = False
        settings = self.settings
        self.template = start_template(
            settings.python, owner, log, at_terminal=at_terminal, compiled=settings.compiled and self.lends
        )
        self.template.channel.send("load", descriptors, at_terminal=at_terminal, **self.orders())
        return self.template

    def orders(self) -> dict[str, Any]:
        """What the template needs to know."""
        settings = self.settings
        return {
            **bond(),
            "generation": self.number,
            "app": settings.app,
            "interface": "asgi" if self.looped else "" if settings.interface == "auto" else settings.interface,
            "concurrency": settings.concurrency or 0,
            "subject": settings.subject,
            "node": self.node,
            "job_source": settings.job_source,
            "odoo": self.odoo(),
            "app_dir": str(settings.app_dir),
            "hooks": {name: settings.value(name) for name in HOOKS if settings.value(name)},
            "preload": self.preload,
            "umask": settings.umask,
            "threads": self.threads,
            "response_spool_max": settings.response_spool_max,
            "sendfile_roots": list(map(str, settings.sendfile_roots)),
            "accel_redirects": settings.accel_redirects,
            "given": given(settings),
            "limit_request": settings.limit_request or NEVER,
            "limit_time_real": 0 if settings.threaded else settings.limit_time_real,
            "limit_request_jitter": settings.limit_request_jitter,
            "jobs": settings.jobs,
            "lending": parser() if self.lends else None,
            "bytecode": sys.implementation.cache_tag,
            "websocket_authorize": settings.websocket_authorize,
            "websocket": {"lent": package("websockets"), "terms": {name: settings.value(f"websocket_{name}") for name in TERMS}},
        }

    @property
    def lends(self) -> bool:
        """Whether its workers may be lent connections."""
        return self.settings.lend_connections and not self.settings.threaded

    def odoo(self) -> dict[str, Any] | None:
        """What Odoo's host needs to know, where Odoo is served."""
        settings = self.settings
        if settings.odoo is None:
            return None
        return {
            "tree": str(settings.odoo),
            "file": str(settings.file) if settings.file else None,
            "arguments": settings.odoo_args,
            "told": told(settings),
            "first": self.number == 1,
        }

    def late(self, now: float) -> bool:
        """Whether the import takes longer than boot_timeout."""
        return self.template is not None and not self.loaded and now - self.started > self.settings.boot_timeout


def parser() -> dict[str, str]:
    """The library that HTTP workers may be lent, so that they read requests as the dispatcher does."""
    from httptools import __version__

    return {"package": package("httptools"), "version": __version__}


def package(name: str) -> str:
    """The directory of a library that workers may be lent; found, not imported."""
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    return os.path.dirname(spec.origin)


def given(settings: Settings) -> dict[str, dict[str, Any]]:
    """What the rooms that applications import are told, by their names (`prefork.given`)."""
    sessions = {
        "store": settings.session_store,
        "directory": str(settings.session_dir),
        "idle": settings.session_idle,
        "lifetime": settings.session_lifetime,
    }
    rooms: dict[str, dict[str, Any]] = {"sessions": sessions, "filestore": {"directory": str(settings.filestore)}}
    if settings.stores:
        rooms["store"] = store(settings)
    if settings.bus:
        rooms["bus"] = {"age": settings.bus_retention, "most": settings.bus_retention_count}
    return rooms


def store(settings: Settings) -> dict[str, Any]:
    """Where the store is (`prefork.store.address`). One of our own is found by its `directory`."""
    ours = {"directory": str(directory_in(settings.data_dir)), "patience": FIRST_START} if settings.embedded else {}
    listen, prepare = settings.store_listen_dsn, settings.prepare_threshold or None
    return {"dsn": WITHIN if settings.embedded else settings.store_address, "listen": listen, "prepare": prepare, **ours}
