"""A server on this machine as the console sees it: asked and steered by its control socket, its files read where it says they are.

Nothing of the application's environment is needed, and nothing is kept from one question to the next but who waits for an answer: a
server that hangs has a few of the console's threads wait for it, and not all of them.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import config
from prefork.config import CONTROL_SOCKET, ConfigurationError
from prefork.control.answers import explained, lacking
from prefork.control.client import Unreachable, ask
from prefork.incidents import Ledger
from prefork.store import board
from prefork.store.address import Address
from prefork.store.connection import Unavailable, bounded, connect, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config import Settings
    from prefork.incidents import Incident

MOMENT = 10.0  # seconds a server may take to answer a question
RELOAD_LIMIT = 3600.0  # seconds a reload may take: the server's own time limits decide long before
MOST, SOON = 2, 1.0  # who wait for a server at once, and seconds after which no others wait until one of them has done
STATEMENT_LIMIT = 10.0  # seconds for a statement in its database: one that waits for a lock may wait for ever


class Denied(Exception):
    """The server, or what belongs to it, does not do what it was asked; the sentence says why. `details` is a traceback."""

    def __init__(self, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.details = details


class NotUnderstood(Denied):
    """Something answers, but it is not a server of this release; the sentence says what it does not tell."""


class Reading(NamedTuple):
    """What a server's settings are read from: by whom they can be changed, and that they can be read again with others.

    `ours`: the server is our account's, so that what the system does not permit us is a problem.
    """

    origin: config.Origin
    environ: dict[str, str]
    ours: bool = True

    def settings(self, changes: dict[str, str] | None = None) -> Settings:
        """The settings; with `changes` as they would be. Raises ConfigurationError."""
        flags = {**self.origin.flags, **(changes or {})}
        return config.load(self.origin.file, flags, self.environ, self.origin.cwd, permitted=self.ours)


class Line:
    """Who waits for which server, and since when (monotonic seconds), those who came first before the others."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._waiting: dict[Path, list[float]] = {}

    @contextmanager
    def standing(self, directory: Path, timeout: float) -> Iterator[None]:
        """Wait for a server. Raises Unreachable where others have for a while. Who gives it longer than a moment is not counted."""
        if timeout > MOMENT:
            yield
            return
        begun = self._enter(directory)
        try:
            yield
        finally:
            self._leave(directory, begun)

    def _enter(self, directory: Path) -> float:
        with self._moved:
            while len(waiting := self._waiting.setdefault(directory, [])) >= MOST:
                passed = time.monotonic() - waiting[0]
                if passed >= SOON:
                    raise Unreachable(f"the server at {directory} does not answer; others have asked it {passed:.0f} s ago")
                self._moved.wait(SOON - passed)
            waiting.append(time.monotonic())
            return waiting[-1]

    def _leave(self, directory: Path, begun: float) -> None:
        with self._moved:
            self._waiting[directory].remove(begun)
            if not self._waiting[directory]:
                del self._waiting[directory]
            self._moved.notify_all()


line = Line()


class Local:
    """The server with this data directory, which is given `patience` seconds for an answer."""

    def __init__(self, directory: Path, patience: float = MOMENT) -> None:
        self.directory = directory
        self.patience = patience

    def ask(self, command: str, timeout: float | None = None, **fields: object) -> dict[str, Any]:
        """The server's answer. Raises Unreachable, Denied."""
        timeout = timeout or self.patience
        with line.standing(self.directory, timeout):
            answer = ask(self.directory / CONTROL_SOCKET, {"command": command, **fields}, timeout)
        if answer.get("ok") is not True:
            raise Denied(str(answer.get("error", "the server refused without a reason")), str(answer.get("traceback") or ""))
        return answer

    def told(self, command: str, timeout: float | None = None, **fields: object) -> dict[str, Any]:
        """The server's answer, which holds all that is relied on. Raises Unreachable, Denied, NotUnderstood."""
        answer = self.ask(command, timeout, **fields)
        if lacks := lacking(command, answer):
            raise NotUnderstood(explained(f"the server in {self.directory}", lacks, answer.get("version")))
        return answer

    def status(self, timeout: float | None = None) -> dict[str, Any]:
        """What the server says of itself. Raises Unreachable, Denied, NotUnderstood."""
        return self.told("status", timeout)

    def reading(self) -> Reading:
        """What its settings are read from. Raises Unreachable, Denied, NotUnderstood."""
        said = self.told("origin")
        file = Path(said["file"]) if said["file"] is not None else None
        ours = os.geteuid() in {0, os.stat(self.directory).st_uid}
        return Reading(config.Origin(file, said["flags"], Path(said["cwd"])), said["environ"], ours)

    def settings(self) -> Settings:
        """Its settings as its file has them now. Raises Unreachable, Denied."""
        try:
            return self.reading().settings()
        except ConfigurationError as error:
            raise Denied(f"the configuration has a problem: {error.problems[0]}", error.sentences()) from None

    def incidents(self) -> list[Incident]:
        """What is kept of its workers' violent ends, the latest first. Raises Denied."""
        try:
            return list(Ledger(self.directory).read())[::-1]
        except OSError as error:
            raise Denied(f"the incidents in {self.directory} cannot be read: {(error.strerror or str(error)).lower()}") from None

    @contextmanager
    def store(self) -> Iterator[Any]:
        """A connection to its store. Raises Unreachable, Denied."""
        settings = self.settings()
        if not settings.stores and not settings.in_file:
            raise Denied("this server has no scheduled jobs of its own; they are declared with the option jobs")
        try:
            with (
                connect(Address(settings.store_address), "prefork console") as connection,
                translated(),
                bounded(connection, STATEMENT_LIMIT),
            ):
                yield connection
        except Unavailable as error:
            raise Denied(str(error)) from None

    def job(self, connection: Any, name: str) -> dict[str, Any] | None:
        """One job by its full name."""
        if "\0" in name:  # which no text in PostgreSQL has
            return None
        return next((job for job in board.listed(connection, name) if job["name"] == name), None)


__all__ = ["Denied", "Local", "NotUnderstood", "Reading", "Unreachable"]
