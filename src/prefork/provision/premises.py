"""Where the console's own instances are and what runs them: everything that working on one takes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from prefork.instances import provisions
from prefork.instances.changes import Conflict
from prefork.provision import free, grant
from prefork.provision.files import Place
from prefork.provision.process import Process

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.instances.database import Database
    from prefork.instances.provisions import Provision
    from prefork.provision.grant import Free
    from prefork.provision.nginx import Nginx

PORTS = range(8100, 9000)


class Runner(Protocol):
    """Starts and stops servers. None of its calls waits for them; each may raise OSError with a sentence."""

    @property
    def revives(self) -> bool:
        """Whether what ends is started again without us."""

    def start(self, identity: str, place: Place) -> None:
        """Start one."""

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:
        """Its master, if it is there."""

    def stop(self, identity: str, process: Process) -> None:
        """Ask it to stop; asked again, it does so at once."""

    def how(self, identity: str) -> str:
        """How it has ended."""

    def forget(self, identity: str) -> None:
        """It will not be started again."""


@dataclass
class Premises:
    """`directory` holds a directory for each instance. What is given away is given under `lock`: nothing twice."""

    db: Database
    directory: Path
    runner: Runner
    nginx: Nginx | None = None
    ports: range = PORTS
    max_connections: int = 100
    lock: threading.Lock = field(default_factory=threading.Lock)

    def place(self, identity: str) -> Place:
        """That of an instance."""
        return Place(self.directory / identity)

    def free(self, besides: str | None = None) -> Free:
        """What is left; what an instance has counts as free for itself. Raises Conflict."""
        given = [grant.kept(each.given) for each in provisions.listed(self.db) if each.instance != besides]
        return free.look(given, self.ports, self.max_connections)

    def provision(self, identity: str) -> Provision:
        """One that is run here. Raises Conflict."""
        found = provisions.find(self.db, identity)
        if found is None:
            raise Conflict(f"this console does not run {identity}; what has started it, stops it")
        return found

    def process(self, provision: Provision) -> Process | None:
        """The master of an instance, if it is there. Raises OSError."""
        known = None if provision.pid is None or provision.began is None else Process(provision.pid, provision.began)
        return self.runner.process(provision.instance, self.place(provision.instance), known)
