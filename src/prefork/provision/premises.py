"""Where the console's own instances are and what runs them: everything that working on one takes."""

from __future__ import annotations

import os
import pwd
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prefork.instances import provisions
from prefork.instances.changes import Conflict
from prefork.provision import free
from prefork.provision.files import Place
from prefork.provision.holding import held
from prefork.provision.process import Process
from prefork.provision.writing import SHARED, put

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
    def revives_after(self) -> float | None:
        """Seconds after which what ends is started again without us; None where it is not."""

    def start(self, identity: str, place: Place) -> None:
        """Start one."""

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:
        """Its master, if it is there."""

    def bound(self, identity: str, memory: int | None) -> None:
        """Let all its processes together take so many bytes; None for as many as there are."""

    def stop(self, identity: str, process: Process | None) -> None:
        """Ask it to stop; asked again, it does so at once. Nobody starts it again, also where there is no process just now."""

    def how(self, identity: str) -> str:
        """How it has ended."""

    def forget(self, identity: str) -> None:
        """It will not be started again."""


class Account(NamedTuple):
    """Another account than ours, that instances run as: they read their file, and own nothing but their data."""

    user: int
    group: int

    @classmethod
    def named(cls, name: str) -> Account:
        """One by its name. Raises KeyError."""
        found = pwd.getpwnam(name)
        return cls(found.pw_uid, found.pw_gid)


@dataclass
class Premises:
    """`directory` holds a directory for each instance. What is given away is given under `lock`: nothing twice.

    Where instances run as another `account`, nothing that we write to is below a directory of theirs.
    """

    db: Database
    directory: Path
    runner: Runner
    nginx: Nginx | None = None
    ports: range = PORTS
    max_connections: int = 100
    account: Account | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def place(self, identity: str) -> Place:
        """That of an instance."""
        return Place(self.directory / identity)

    def open(self) -> None:
        """Make the directory of them all. Raises OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account:
            for each in (self.directory, self.directory.parent):
                each.chmod(0o711)

    def furnish(self, place: Place, text: bytes) -> None:
        """Make the directory of an instance, with its file and the one that it keeps its things in. Raises OSError."""
        for each in (place.directory, place.data):
            each.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(place.directory, -1, self.account.group)
            place.directory.chmod(0o750)
            os.chown(place.data, *self.account)
        self.write(place, text)

    def write(self, place: Place, text: bytes) -> None:
        """Have an instance's file say this. Raises OSError."""
        if self.account:
            put(place.configuration, text, SHARED, self.account.group)
        else:
            put(place.configuration, text)

    def free(self, besides: str | None = None) -> Free:
        """What is left; what an instance has counts as free for itself. Raises Conflict."""
        given = [held(each, self.place(each.instance)) for each in provisions.listed(self.db) if each.instance != besides]
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
