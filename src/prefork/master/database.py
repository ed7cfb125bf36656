"""The server's own database, where something stores and none is configured: a PostgreSQL from a wheel, in the data directory.

It runs as the workers do, and listens on a unix socket that is theirs, root's and nobody else's. Made on the first start, started
again when it dies, stopped last of all. The master speaks no SQL with it: that it is ready stands in its pid file.
"""

from __future__ import annotations

import os
import pwd
import time
from typing import TYPE_CHECKING

from prefork.config.embedded import binaries, directory_in
from prefork.events import DatabaseFailed, DatabaseReady
from prefork.master.backoff import Backoff
from prefork.master.owner import give
from prefork.master.spawn import Death, end_database, kill_group, start_database

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from typing import BinaryIO

    from prefork.config import Settings
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
# How its directory is made: first the cluster, then what is in it from the beginning. It gets its name when both are done.
CLUSTER = ["-U", "postgres", "-A", "peer", "--encoding=UTF8", "--locale=C.UTF-8"]
ALONE = ["-c", "exit_on_error=on", "-c", "log_min_messages=fatal", "postgres"]
CONTENTS = "CREATE EXTENSION pg_stat_statements;\n"
# Who is let in: the kernel says whose the process at the other end is. No password exists.
PEERS = "local all postgres peer map=prefork\nlocal replication postgres peer map=prefork\n"
# In a namespace of its own root believes to be nobody: PostgreSQL refuses to be root, and no account has to be made for it.
NOBODY = 65534
AS_NOBODY = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
WITH_US = ["setpriv", "--pdeathsig", "INT"]


class Database:
    """`process` is PostgreSQL, or what makes its directory (`unmade` names the steps to be done), while there is one.

    `directory` is the descriptor of that directory, whatever its name: a way to it for those to whom the data directory is closed.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self.place = directory_in(master.settings.data_dir)
        self.directory = -1
        self.process: subprocess.Popen[bytes] | None = None
        self.unmade: list[str] = []
        self.ready = False
        self.backoff = Backoff()
        self.wanted = False
        self.started = 0.0
        self.dismissed_at = float("inf")

    def step(self, now: float) -> None:
        """Have it run where it is wanted. Once started it stays until the stop: workers of an older configuration may use it."""
        self.wanted = self.wanted or self.master.settings.embedded
        if self.process is None and self.wanted and now >= self.backoff.not_before:
            self._begin(now)
        elif self.process and not self.unmade:
            if not self.ready and self._accepts():
                self.ready = True
                self.master.journal.emit(DatabaseReady(self.process.pid, now - self.started))
            self.backoff.lives(self.started, self.started, now)

    def descriptors(self, settings: Settings) -> list[int]:
        """The way to its directory, for those who are to use it."""
        if not settings.embedded:
            return []
        try:
            self._open()
        except OSError as error:
            self._failed(str(error))
            return []
        return [self.directory]

    def _open(self) -> None:
        if self.directory >= 0:
            return
        made = self._made()
        if not made:
            from shutil import rmtree

            rmtree(self._unfinished, ignore_errors=True)
            self._unfinished.mkdir(mode=0o700)
        found = self.place if made else self._unfinished
        self.directory = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not made:
            give(self.directory, self.master.owner)

    def _made(self) -> bool:
        return (self.place / "PG_VERSION").exists()

    @property
    def _unfinished(self) -> Path:
        return self.place.with_name("postgres.unfinished")

    def _begin(self, now: float) -> None:
        self.started, self.ready = now, False
        try:
            self._open()
            self.unmade = []
            if not self._made():
                self.unmade = ["cluster", "contents"]
                empty(self._unfinished)
            self._start()
        except (OSError, RuntimeError) as error:
            self._failed(str(error))

    def _start(self) -> None:
        """Start PostgreSQL, or the next step of making its directory. Raises OSError, RuntimeError."""
        whose = self.master.owner
        account = os.geteuid() if whose.user is None else whose.user
        before = [*(AS_NOBODY if account == 0 else []), *WITH_US]
        with memory(CONTENTS) as contents, memory(PEERS) as peers, memory(names(account or NOBODY)) as known:
            files = {"hba_file": peers.fileno(), "ident_file": known.fileno()}
            command = [*before, *self._command({name: inherited(number) for name, number in files.items()})]
            descriptors = [self.directory, *files.values()]
            self.process = start_database(command, whose, self.master.log, contents.fileno(), descriptors)

    def _command(self, files: dict[str, str]) -> list[str]:
        found = binaries()
        if found is None:
            raise RuntimeError("PostgreSQL is not installed beside Prefork; install prefork[embedded], or set store_dsn")
        way = inherited(self.directory)
        if self.unmade[:1] == ["cluster"]:
            return [str(found / "initdb"), "-D", way, *CLUSTER]
        if self.unmade:
            return [str(found / "postgres"), "--single", "-D", way, *ALONE]
        settings = {**OPTIONS, "unix_socket_directories": way, **files}
        return [str(found / "postgres"), "-D", way, *(f"--{name}={text}" for name, text in settings.items())]

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
        if self.dismissed_at < float("inf"):
            return
        if self.unmade and death.code == 0:
            self._go_on()
        else:
            self._failed(f"it could not make its directory: {death.how()}" if self.unmade else f"it died: {death.how()}")

    def _go_on(self) -> None:
        """A step of making its directory is done."""
        try:
            self.unmade.pop(0)
            if not self.unmade:
                self._unfinished.rename(self.place)
            self._start()
        except (OSError, RuntimeError) as error:
            self._failed(str(error))

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


def memory(text: str) -> BinaryIO:
    """A file that is nowhere on the disk, to be read from its beginning."""
    file = os.fdopen(os.memfd_create("prefork-database", os.MFD_CLOEXEC), "w+b")
    file.write(text.encode())
    file.seek(0)
    return file


def inherited(descriptor: int) -> str:
    """How a process that inherits a descriptor finds what it is open on."""
    return f"/proc/self/fd/{descriptor}"


def names(account: int) -> str:
    """Which accounts are let in, as PostgreSQL's map of names has them. Raises RuntimeError."""
    try:
        own = pwd.getpwuid(account).pw_name
    except KeyError:
        raise RuntimeError(f"PostgreSQL runs only as an account that has a name, and {account} has none on this machine") from None
    return "".join(f'prefork "{name}" postgres\n' for name in sorted({own, "root"}))


def empty(place: Path) -> None:
    """Remove what a start that was cut short has left in a directory."""
    from shutil import rmtree

    for entry in place.iterdir():
        if entry.is_dir():
            rmtree(entry)
        else:
            entry.unlink()
