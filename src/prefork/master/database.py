"""The server's own database, where something stores and none is configured: a PostgreSQL from a wheel, in the data directory.

It listens on a unix socket there and nowhere else. Made on the first start, started again when it dies, stopped last of all. The
master speaks no SQL: that it is ready stands in its pid file.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from prefork.config.embedded import binaries
from prefork.events import DatabaseFailed, DatabaseReady
from prefork.master.backoff import Backoff
from prefork.master.spawn import Death, end_database, kill_group, start_database

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from prefork.master.loop import Master

READY_LINE = 7  # of postmaster.pid, from 0
PATIENCE = 10.0  # seconds for what it has in memory to get to its disk at a stop
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_preload_libraries": "pg_stat_statements",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",  # a week of them
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
}
# In a namespace of its own root believes to be nobody: PostgreSQL refuses to be root, and no account has to be made for it.
AS_NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
WITH_US = ["setpriv", "--pdeathsig", "INT"]


class Database:
    """`process` is PostgreSQL, or what makes its directory (`making`), while there is one."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.place = master.settings.data_dir / "postgres"
        self.process: subprocess.Popen[bytes] | None = None
        self.making = False
        self.ready = False
        self.backoff = Backoff()
        self.wanted = False
        self.started = 0.0
        self.dismissed_at = float("inf")

    def step(self, now: float) -> None:
        """Have it run where it is wanted. Once started it stays until the stop: workers of an older configuration may use it."""
        self.wanted = self.wanted or self.master.settings.embedded
        if self.process is None and self.wanted and now >= self.backoff.not_before:
            self._start(now)
        elif self.process and not self.making:
            if not self.ready and self._accepts():
                self.ready = True
                self.master.journal.emit(DatabaseReady(self.process.pid, now - self.started))
            self.backoff.lives(self.started, self.started, now)

    def _start(self, now: float) -> None:
        self.started, self.ready = now, False
        self.making = not (self.place / "PG_VERSION").exists()
        try:
            if self.making:
                shutil.rmtree(self._unfinished, ignore_errors=True)
            self.process = start_database(self._command(), self.master.log)
        except (OSError, RuntimeError) as error:
            self._failed(str(error))

    @property
    def _unfinished(self) -> Path:
        return self.place.with_name("postgres.unfinished")

    def _command(self) -> list[str]:
        found = binaries()
        if found is None:
            raise RuntimeError("PostgreSQL is not installed beside Prefork; install prefork[embedded], or set store_dsn")
        before = [*(AS_NOBODY if os.geteuid() == 0 else []), *WITH_US]
        if self.making:
            cluster = [
                "-D",
                str(self._unfinished),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ]
            return [*before, str(found / "initdb"), *cluster]
        settings = {**OPTIONS, "unix_socket_directories": str(self.place)}
        return [*before, str(found / "postgres"), "-D", str(self.place), *(f"--{name}={text}" for name, text in settings.items())]

    def _accepts(self) -> bool:
        try:
            lines = (self.place / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        assert self.process
        mine = lines[:1] == [str(self.process.pid)]
        return mine and len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"

    def owns(self, pid: int) -> bool:
        """Whether a process is the database."""
        return self.process is not None and self.process.pid == pid

    def died(self, death: Death) -> None:
        """It is dead, or its directory is made."""
        assert self.process
        self.process.returncode = death.code
        self.process = None
        if self.making and death.code == 0:
            self._unfinished.rename(self.place)
            self.step(time.monotonic())
        elif self.dismissed_at == float("inf"):
            self._failed(f"it could not make its directory: {death.how()}" if self.making else f"it died: {death.how()}")

    def _failed(self, reason: str) -> None:
        delay = self.backoff.failed(time.monotonic())
        self.master.journal.emit(DatabaseFailed(reason, delay))

    def dismiss(self, now: float) -> bool:
        """Have it leave; returns whether it has left. What takes too long is killed, and recovers at the next start."""
        if self.process is None:
            return True
        if self.dismissed_at == float("inf"):
            self.dismissed_at = now
            end_database(self.process.pid)
        elif now > self.dismissed_at + PATIENCE:
            kill_group(self.process.pid)
        return False
