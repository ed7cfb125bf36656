"""A PgBouncer of a test: a directory, a configuration and a port of its own. It dies with the tests."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.applications.postgres import Postgres, unprivileged
from tests.process.wire import until

from prefork.testing import free_port

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])  # not on every account's PATH
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={upstream} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_login_retry = 1
"""


class PgBouncer:
    """PgBouncer with the given text for its file, which makes it listen on `port` of 127.0.0.1."""

    def __init__(self, text: str, port: int, directory: Path) -> None:
        self.port = port
        self.uri = f"postgresql://postgres@127.0.0.1:{port}/"
        self._configuration = directory / "pgbouncer.ini"
        self._configuration.write_text(text)
        self._log = directory / "pgbouncer.log"

    @classmethod
    def before(cls, postgres: Postgres, directory: Path, mode: str) -> Self:
        """In the mode `session` each client has a connection of its own, in `transaction` each transaction."""
        port = free_port()
        return cls(CONFIGURATION.format(upstream=postgres.port, port=port, mode=mode), port, directory)

    def __enter__(self) -> Self:
        program = shutil.which("pgbouncer", path=PLACES)
        assert program, "PgBouncer is missing: apt-get install pgbouncer"
        command = [*unprivileged(), "setpriv", "--pdeathsig", "TERM", program, self._configuration]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(self._answers, "PgBouncer to listen")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"PgBouncer ended: {self._log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        self._process.terminate()  # at once, whoever is connected
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
