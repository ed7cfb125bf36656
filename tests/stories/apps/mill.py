"""A job for a story with thousands of runs. Each notes its number, and what its worker has of the database."""

import os
import socket
import time
from contextlib import suppress

import prefork

DONE = os.environ["MILL"]
ASKED = 25  # every so many runs PostgreSQL is asked


@prefork.job(retries=20)
def grind(number: int) -> None:
    time.sleep(0.02)
    said = connections() if number % ASKED == 0 else "-"
    with open(DONE, "a") as file:
        file.write(f"{number} {said}\n")


def connections() -> str:
    """How many connections this process has, and how many of them a transaction, as PostgreSQL sees it; `?` while it is away."""
    import psycopg

    from prefork.store.address import address

    ours = list(ports())
    with suppress(psycopg.OperationalError), psycopg.connect(address().dsn) as connection:
        query = "SELECT count(*), count(xact_start) FROM pg_stat_activity WHERE client_port = ANY(%s)"
        known, opened = connection.execute(query, [ours]).fetchone()
        return f"{known}:{opened}" if known else "?"
    return "?"


def ports():
    """The ports of this process's connections."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as copy:
                    if copy.family == socket.AF_INET:
                        yield copy.getsockname()[1]
