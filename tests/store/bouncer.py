"""Debian's PgBouncer before a PostgreSQL, for one test. It dies with the tests, also when they are killed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.applications.postgres import AS_NOBODY, Postgres

from prefork.testing import free_port

PROGRAM = "/usr/sbin/pgbouncer"
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={upstream} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
"""


@contextmanager
def bouncer(postgres: Postgres, mode: str, directory: Path, size: int = 20) -> Iterator[str]:
    """Gives the URI without the database's name; `mode` is session or transaction, `size` its pool's. It may not be ready yet."""
    port, file = free_port(), directory / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(upstream=postgres.port, port=port, mode=mode, size=size))
    unprivileged = AS_NOBODY if os.geteuid() == 0 else []
    command = [*unprivileged, "setpriv", "--pdeathsig", "KILL", PROGRAM, "--quiet", str(file)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait(10)
