"""How large a database's memory and its numbers of connections are made. Pure arithmetic; each rule says where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.kinds import AUTO, UNSET

if TYPE_CHECKING:
    from prefork.render.topology import Node, Topology

MAX_CONNECTIONS = 200  # what one PostgreSQL serves well; each is a process
POOLED_CONNECTIONS = 100  # to PostgreSQL from all poolers together
RESERVED = 20  # for superusers, replication, backups and people
DB_MAXCONN = 64  # Odoo's default, and the most that a process is given here
MIB, GIB = 1 << 20, 1 << 30


def processes(node: Node) -> int:
    """The processes of a node that open connections of their own."""
    if not node.serves:
        return 0
    return (
        (http_workers(node) if "app" in node.roles else 0)
        + int(given(node, "max_cron_threads", 1) if "cron" in node.roles else 0)
        + int(given(node, "websocket_workers", 1) if "websocket" in node.roles else 0)
    )


def http_workers(node: Node) -> int:
    """Those for requests; where the server finds their number, the most that there can be."""
    found = given(node, "workers", node.cpus * 2 + 1)
    return int(given(node, "workers_max", node.cpus * 4 + 1) if str(found).lower() == AUTO else found)


def given(node: Node, name: str, default: int) -> str | int:
    """What an option of a node says, which may be that it is not set."""
    text = node.options.get(name, "")
    return default if text.lower() in UNSET else text


def connections_each(topology: Topology) -> int:
    """`db_maxconn` of every process, so that all of them together never ask the database for more than it has.

    Behind poolers they may ask for more: clients wait there, and the poolers are bounded by themselves.
    """
    if topology.having("pooler"):
        return DB_MAXCONN
    together = sum(processes(node) for node in topology.nodes) or 1
    return max(2, min(DB_MAXCONN, (MAX_CONNECTIONS - RESERVED) // together))


def postgres(cpus: int, memory: int, *, pooled: bool) -> dict[str, str]:
    """Settings of PostgreSQL for a machine of its own with SSDs, by the rules of its manual's chapter on resource consumption.

    A quarter of the memory for shared buffers, three quarters assumed to be cached; `work_mem` so that half of the connections may
    sort at once within another quarter.
    """
    connections = POOLED_CONNECTIONS + RESERVED if pooled else MAX_CONNECTIONS
    work = max(4 * MIB, memory // 4 // max(1, connections // 2))
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{memory // 4 // MIB}MB",
        "effective_cache_size": f"{memory * 3 // 4 // MIB}MB",
        "maintenance_work_mem": f"{min(2 * GIB, memory // 16) // MIB}MB",
        "work_mem": f"{work // MIB}MB",
        "max_worker_processes": str(max(8, cpus)),
        "max_parallel_workers": str(cpus),
        "max_parallel_workers_per_gather": str(max(1, min(4, cpus // 2))),
    }
