"""The budget of database connections: what all workers of all nodes may open against what PostgreSQL and PgBouncer let in.

Each worker has a pool of its own, of `db_maxconn` connections at the most: the setting is multiplied by every process there is.
"""

from __future__ import annotations

from typing import NamedTuple

USUAL = 64  # connections of a worker: Odoo's default
LEAST = 2  # of a worker: one for its request, one for the registry or to listen on


class Database(NamedTuple):
    """PostgreSQL's `max_connections` and those that it keeps for superusers; with PgBouncer, its pools and its clients.

    `pool` is how many connections all pools of PgBouncer open to PostgreSQL, `clients` its `max_client_conn`; 0: there is none.
    """

    max_connections: int = 100
    reserved: int = 3
    pool: int = 0
    clients: int = 0

    @property
    def open(self) -> int:
        """The connections that workers may have, of which PgBouncer takes more than it opens."""
        return self.clients if self.pool else max(0, self.max_connections - self.reserved)


class Budget(NamedTuple):
    """`each` is `db_maxconn`, `needed` what all processes open with it at the most, of `allowed`."""

    each: int
    needed: int
    allowed: int
    processes: int
    nodes: int

    def words(self) -> str:
        """The sum."""
        nodes = f"{self.nodes} nodes × " if self.nodes > 1 else ""
        return f"{nodes}{self.processes} processes × {self.each} = {self.needed} of {self.allowed} connections"


def budget(database: Database, processes: int, nodes: int) -> Budget:
    """Share the connections out to so many processes on each node."""
    allowed = database.open
    each = max(1, min(USUAL, allowed // (processes * nodes)))
    return Budget(each, each * processes * nodes, allowed, processes, nodes)


def most_processes(database: Database, nodes: int) -> int:
    """How many processes of a node get the least that each needs. Of PgBouncer's own connections a session needs one."""
    most = database.open // (LEAST * nodes)
    return min(most, database.pool // nodes) if database.pool else most


def complaints(database: Database, given: Budget) -> list[str]:
    """What does not fit."""
    found = []
    if given.needed > given.allowed:
        where = "PgBouncer's max_client_conn" if database.pool else "PostgreSQL's max_connections"
        found.append(f"{given.words()} do not fit; raise {where}")
    if database.pool > database.max_connections - database.reserved:
        room = database.max_connections - database.reserved
        found.append(f"PgBouncer's pools open {database.pool} connections, PostgreSQL has room for {room}; raise max_connections")
    return found
