"""The options of a node's Prefork: what its roles, and the other nodes, make of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefork.render import tuning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config import Settings
    from prefork.render.topology import Node, Topology


PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")


def options(topology: Topology, node: Node, settings: Settings) -> dict[str, dict[str, str]]:
    """Groups of options by what they are about, each as the file has it. What the node's own table says wins."""
    groups = {
        "What this node does": roles(node),
        "Where it listens, and whom it believes": reached(topology, node, settings),
        "Where things are": places(topology, node),
    }
    for name, value in node.options.items():
        home = next((group for group in groups.values() if name in group), groups["What this node does"])
        home[name] = value
    return groups


def roles(node: Node) -> dict[str, str]:
    """Which pools have workers. Both kinds of front end have no jobs, and a cron node refuses HTTP."""
    return {
        "workers": str(node.cpus * 2 + 1 if "app" in node.roles else 2),
        "max_cron_threads": "1" if "cron" in node.roles else "0",
        "http_enable": str("app" in node.roles),
        "proxy_mode": "True",
        "websocket_workers": "1" if "websocket" in node.roles else "0",
    }


def reached(topology: Topology, node: Node, settings: Settings) -> dict[str, str]:
    """Its addresses. Where the proxy is on the same machine nobody else reaches it."""
    if topology.site.kubernetes:
        return inside(node, settings)
    edges = topology.having("edge")
    alone = {"edge"} <= set(node.roles) and len(edges) == 1
    found = {
        "http_interface": "127.0.0.1" if alone else node.address,
        "http_port": str(settings.http_port),
        "trusted_proxies": "127.0.0.1" if alone else ", ".join(each.address for each in edges),
    }
    if "app" in node.roles and len(topology.having("app")) > 1:
        found["listen_when_ready"] = "True"  # nginx asks nobody whether a node is ready: it goes by what refuses
        found["drain_delay"] = "5"  # the edge believes in the others again by then, whichever was stopped before
    if "websocket" in node.roles:
        found["gevent_port" if topology.site.version >= 16 else "longpolling_port"] = str(settings.websocket_port)
    return found


def inside(node: Node, settings: Settings) -> dict[str, str]:
    """The same of a container: balancers and probes come from the cluster's own networks."""
    found = {
        "http_interface": "0.0.0.0",  # noqa: S104  a container has one network, and who may reach it is the cluster's affair
        "http_port": str(settings.http_port),
        "trusted_proxies": ", ".join(PRIVATE),
    }
    if "websocket" in node.roles:
        found["websocket_port"] = str(settings.websocket_port)
    each = node.memory // (tuning.processes(node) or 1)
    found |= {"limit_memory_soft": str(each * 7 // 10), "limit_memory_hard": str(each * 9 // 10)}
    # Balancers hear of a container's end while it ends. What a console keeps would end with its container.
    return found | {"drain_delay": "5", "log_format": "json", "console": "False"}


def places(topology: Topology, node: Node) -> dict[str, str]:
    """Directories and the database. Passwords are in the account's passfile, never here."""
    site = topology.site
    found = {"data_dir": site.data_dir}
    if not site.odoo:
        found["filestore"] = site.filestore
    if pooled := topology.having("pooler"):
        found |= {"db_host": topology.address("pooler"), "db_port": "6432"}
        if site.pooling == "transaction":
            found["prepare_threshold"] = "0"
    elif topology.having("database") and "database" not in node.roles:
        found |= {"db_host": topology.address("database"), "db_port": "5432"}
    if site.odoo or topology.having("database"):
        found |= {"db_name": site.database, "db_user": site.user, "db_maxconn": str(tuning.connections_each(topology))}
    if pooled and site.version >= 18:
        found |= {"db_replica_host": topology.address("pooler"), "db_replica_port": "5433"}
    if site.version >= 16:
        found["x_sendfile"] = "True"  # workers name attachments, the dispatcher sends them
    if topology.having("sessions"):
        found["session_store"] = f"redis://{topology.address('sessions')}:6379/0"
        if not site.odoo:  # whose cookies are not signed
            found["session_secret_file"] = f"/etc/{site.name}/session.secret"
    if site.addons:
        found["addons_path"] = ",".join(site.addons_path)
    return found


def patience(settings: Settings) -> int:
    """Seconds that a proxy waits for an answer. It gives up last: the server has answered by then, or has said why it did not."""
    longest = max([settings.limit_time_real, *(seconds for _, seconds in settings.limit_time_real_routes)])
    return math.ceil((longest or 3600) + settings.queue_timeout + 10)


def workload(node: Node) -> Iterator[str]:
    """What a node's Prefork does, in words."""
    words = {"app": "requests of users", "cron": "scheduled jobs", "websocket": "live connections"}
    yield from (words[each] for each in words if each in node.roles)
