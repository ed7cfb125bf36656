"""Runs the application under uvicorn, on a socket that somebody else has opened."""

from __future__ import annotations

import logging
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from anyio import to_thread

from prefork.console.app import create
from prefork.events import AdministratorMade, ConsoleReady
from prefork.instances import registry, users
from prefork.instances.database import Database, file_in
from prefork.journal import Journal, Sink
from prefork.provision.children import Children
from prefork.provision.keeper import Keeper
from prefork.provision.premises import PORTS, Account, Premises
from prefork.provision.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.instances.monitor import Monitor
    from prefork.provision.nginx import Nginx
    from prefork.provision.premises import Runner

MOST_CONNECTIONS = 512  # at once; further ones get 503
INSTANCES = "instances"  # the directory of those that it runs
THREADS = 8  # that answer requests: each may wait for a server


@dataclass(frozen=True)
class Manner:
    """How clients are spoken to: TLS with these files, whose word about them counts, and whether they may come without TLS."""

    certificate: str | None = None
    key: str | None = None
    proxies: tuple[str, ...] = ()
    insecure: bool = False


@dataclass(frozen=True)
class Means:
    """What a console that runs instances has for them: systemd and an account for it, nginx, ports, the database's connections."""

    account: str | None = None
    nginx: Nginx | None = None
    ports: range = PORTS
    max_connections: int = 100

    def premises(self, db: Database, data_dir: Path) -> Premises:
        """Theirs, below the console's own directory."""
        command, directory = [sys.executable, "-m", "prefork"], data_dir / INSTANCES
        runner: Runner = Systemd(command, directory, self.account) if self.account else Children(command)
        account = Account.named(self.account) if self.account else None
        return Premises(db, directory, runner, self.nginx, self.ports, self.max_connections, account)


def opened(data_dir: Path, journal: Journal, own: str | None) -> Database:
    """The console's database in a data directory, with the first account and its own server in it. Raises Unusable."""
    db = Database(file_in(data_dir))
    if own is not None:
        registry.keep_own(db, own, data_dir)
    password = users.make_first(db)
    if password is not None:
        journal.emit(AdministratorMade(users.FIRST, password))
        journal.flush()
    return db


def standing(data_dir: Path, interface: str, port: int, manner: Manner, means: Means) -> None:
    """Run by itself, with instances of its own. Raises Unusable, OSError."""
    journal = Journal(Sink(2), level="info", as_json=False, logger="prefork.console")
    with opened(data_dir, journal, None) as db, socket.create_server((interface, port), family=family(interface)) as listener:
        host = f"[{interface}]" if ":" in interface else interface
        address = f"{'https' if manner.certificate else 'http'}://{host}:{port}"

        def ready() -> None:
            journal.emit(ConsoleReady(address))
            journal.flush()

        run(db, listener, manner, journal, ready, means.premises(db, data_dir))


def family(interface: str) -> socket.AddressFamily:
    """That of an address."""
    return socket.AF_INET6 if ":" in interface else socket.AF_INET


def run(
    db: Database,
    listener: socket.socket,
    manner: Manner,
    journal: Journal,
    ready: Callable[[], None],
    premises: Premises | None = None,
) -> None:
    """Watch the instances and answer until a signal ends it; `ready` is called when it begins. Instances go on."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    app = create(db, insecure=manner.insecure, premises=premises)
    configuration = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(manner.proxies),
        forwarded_allow_ips=list(manner.proxies),
        ssl_certfile=manner.certificate,
        ssl_keyfile=manner.key or manner.certificate,
        timeout_graceful_shutdown=2,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 << 10,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            to_thread.current_default_thread_limiter().total_tokens = THREADS
            await super().startup(sockets)
            ready()

    monitor: Monitor = app.state.desk.monitor
    monitor.start(journal)
    keeper = Keeper(premises, monitor.say) if premises else None
    if keeper:
        keeper.start()
    try:
        Server(configuration).run(sockets=[listener])
    finally:
        if keeper:
            keeper.stop()
        monitor.stop()
