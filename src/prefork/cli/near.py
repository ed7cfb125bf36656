"""A server on this machine: asked by its control socket; what it keeps is read where it is, and it need not run for that."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from prefork.cli.asking import MOMENT, RELOAD_LIMIT, told, understood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.cli.settings import Meant
    from prefork.incidents import Incident

    Row = dict[str, Any]

LAST = 10  # runs of a job that are shown with it


class Near:
    """The server that `meant` says."""

    def __init__(self, meant: Meant) -> None:
        self.meant = meant

    def where(self) -> str:
        """Its directory."""
        return f"in {self.meant.data_dir}"

    def name(self) -> str:
        """By its directory."""
        return f"the server {self.where()}"

    def status(self) -> Row:
        """Asked of the master."""
        return told(self.meant, {"command": "status"})

    def _understood(self, command: str, timeout: float = MOMENT) -> Row:
        return understood(command, told(self.meant, {"command": command}, timeout), self.name())

    def usage(self) -> Row:
        """Measured here and now."""
        from prefork import usage

        before = usage.read_clock()
        report = usage.of_server(lambda: self._understood("status"))
        return {**report.told(), "health": self._machine(before)}

    def past(self, span: str) -> Row:
        """From the console's file. Neither it nor the server has to run."""
        import time

        from prefork.instances import history
        from prefork.instances.database import Database, Unusable, file_in
        from prefork.instances.registry import OWN

        file = file_in(self.meant.data_dir)
        if not os.path.exists(file):
            raise click.ClickException(f"nothing has been recorded in {file.parent}: the console does that (option console)")
        back, resolution = history.RANGES[span]
        now = time.time()
        try:
            with Database(file) as db:
                points = [each.told() for each in history.series(db, OWN, now - back, now, resolution)]
                marks = [each._asdict() for each in history.marks(db, OWN, now - back, now)]
        except Unusable as error:
            raise click.ClickException(str(error)) from None
        return {"range": span, "resolution": resolution, "points": points, "marks": marks}

    def health(self) -> Row:
        """What it says of itself, judged."""
        from prefork import usage
        from prefork.instances.complaints import complaints

        before = usage.read_clock()
        reasons = list(complaints(self._understood("status")))
        return {"status": "degraded" if reasons else "ok", "reasons": reasons, "machine": self._machine(before)}

    def _machine(self, before: Any) -> Row:
        from prefork import usage

        return {**usage.read_health(before, self.meant.data_dir).told(), "database": connections(self.meant)}

    def stacks(self) -> list[Row]:
        """Those of all workers."""
        found: list[Row] = self._understood("stacks")["workers"]
        return found

    def retire(self, pid: int) -> None:
        """Have a worker replaced."""
        told(self.meant, {"command": "retire", "pid": pid})

    def routes(self) -> Row:
        """Judged here."""
        from prefork.usage.tips import judged

        answer = self._understood("routes")
        return {"uptime": answer["uptime"], "routes": judged(answer["routes"])}

    def incidents(self, name: str | None) -> list[Incident]:
        """From its file."""
        from prefork.incidents import Ledger

        place = self.meant.data_dir
        try:
            return [each for each in Ledger(place).read() if name is None or name in each.names()]
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise click.ClickException(f"the incidents in {place} cannot be read: {said}") from None

    def reload(self) -> Row:
        """Waits for its end."""
        return self._understood("reload", RELOAD_LIMIT)

    def jobs(self, name: str | None) -> list[Row]:
        """From the store."""
        from prefork.store import board

        with store(self.meant) as connection:
            return board.listed(connection, name)

    def job(self, name: str) -> tuple[list[Row], list[Row]]:
        """A job's runs under way, and its last ended ones."""
        from prefork.store import board

        with store(self.meant) as connection:
            return board.running(connection, name), board.history(connection, name, LAST)

    def history(self, job: str | None, limit: int) -> list[Row]:
        """What was done, the latest first."""
        from prefork.store import board

        with store(self.meant) as connection:
            return board.history(connection, job, limit)

    def edit(self, job: Row, changes: Row) -> None:
        """In the store."""
        from prefork.jobs import schedules
        from prefork.store import board

        wanted = {**job, **changes}
        try:
            moved = {"schedule", "tz"} & changes.keys()
            due_at = schedules.first_due(wanted["schedule"], wanted["tz"], datetime.now(UTC)) if moved else None
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        with store(self.meant) as connection:
            board.edit(connection, job["name"], wanted, due_at)

    def run(self, job: str) -> int:
        """Have a job run now; the run's number."""
        from prefork.store import board

        with store(self.meant) as connection:
            return board.run(connection, job)

    def pause(self, job: str) -> None:
        """Let a job rest."""
        from prefork.store import board

        with store(self.meant) as connection:
            board.pause(connection, job)

    def resume(self, job: str) -> None:
        """Let it go on."""
        from prefork.store import board

        with store(self.meant) as connection:
            board.resume(connection, job)


@contextmanager
def store(meant: Meant) -> Iterator[Any]:
    """A connection to the store of a server, or the end of the program with what is in the way."""
    from prefork.store.address import Address
    from prefork.store.connection import Unavailable, connect, translated

    where = Address(meant.settings.store_address)
    try:
        with connect(where, "prefork jobs") as connection, translated():
            yield connection
    except Unavailable as error:
        raise click.ClickException(str(error)) from None


def connections(meant: Meant) -> Row | None:
    """Those of the server's database, or why they cannot be told; None where there is none."""
    from prefork import config
    from prefork.store.address import Address
    from prefork.store.census import connections
    from prefork.store.connection import Unavailable, connect, translated

    try:
        settings = meant.read()
    except config.ConfigurationError as error:
        return {"error": f"the configuration has a problem: {error.problems[0]}"}
    if settings.in_file or not (settings.store_dsn or settings.stores):
        return None
    try:
        with connect(Address(settings.store_address), "prefork usage") as connection, translated():
            return connections(connection)
    except Unavailable as reason:
        return {"error": str(reason)}
