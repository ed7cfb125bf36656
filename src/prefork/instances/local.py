"""A server on this machine as the console sees it: asked and steered by its control socket, its files read where it says they are.

Nothing of the application's environment is needed, and nothing is kept from one question to the next.
"""

from __future__ import annotations

import os
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


class Local:
    """The server with this data directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def ask(self, command: str, timeout: float = MOMENT, **fields: object) -> dict[str, Any]:
        """The server's answer. Raises Unreachable, Denied."""
        answer = ask(self.directory / CONTROL_SOCKET, {"command": command, **fields}, timeout)
        if answer.get("ok") is not True:
            raise Denied(str(answer.get("error", "the server refused without a reason")), str(answer.get("traceback") or ""))
        return answer

    def told(self, command: str, timeout: float = MOMENT, **fields: object) -> dict[str, Any]:
        """The server's answer, which holds all that is relied on. Raises Unreachable, Denied, NotUnderstood."""
        answer = self.ask(command, timeout, **fields)
        if lacks := lacking(command, answer):
            raise NotUnderstood(explained(f"the server in {self.directory}", lacks, answer.get("version")))
        return answer

    def status(self, timeout: float = MOMENT) -> dict[str, Any]:
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
