"""Which files a node gets, and where each goes. A file is a template and a row here."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefork.render import kubernetes, tuning
from prefork.render.nodes import options, patience, workload
from prefork.render.writing import environment, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import Settings
    from prefork.render.topology import Node, Topology

METRICS_PORT = 8073  # beside those of the console and of WebSockets
Rendered = dict[str, dict[str, str]]  # the text of each path of each node


@dataclass(frozen=True)
class File:
    """A template, the path of what becomes of it on a node, and on which nodes it is wanted."""

    template: str
    path: str
    wanted: Callable[[Topology, Node], bool]


def role(*roles: str) -> Callable[[Topology, Node], bool]:
    """Wanted where a node has one of these roles."""
    return lambda _, node: not set(roles).isdisjoint(node.roles)


def proxy(name: str) -> Callable[[Topology, Node], bool]:
    """Wanted where this is the proxy of an edge."""
    return lambda _, node: "edge" in node.roles and node.proxy == name


def apart(_: Topology, node: Node) -> bool:
    """Wanted at an nginx whose servers are on other machines."""
    return "edge" in node.roles and node.proxy == "nginx" and not node.serves


def serves(_: Topology, node: Node) -> bool:
    """Wanted where a Prefork runs."""
    return node.serves


def watched(topology: Topology, node: Node) -> bool:
    """Wanted where a Prefork runs that Prometheus asks."""
    return node.serves and bool(topology.having("monitor"))


def mounts(topology: Topology, node: Node) -> bool:
    """Wanted where a Prefork runs that has files in common with others."""
    return node.serves and bool(topology.site.share)


def shares(topology: Topology, node: Node) -> bool:
    """Wanted where an address is shared with other nodes."""
    return any(each in topology.shared for each in node.roles)


def alone(topology: Topology, node: Node) -> bool:
    """Wanted at the only database."""
    return "database" in node.roles and not topology.replicated


def replicated(topology: Topology, node: Node) -> bool:
    """Wanted at each of several databases."""
    return "database" in node.roles and topology.replicated


FILES = (
    File("edge/nginx.conf", "etc/nginx/sites-available/{site}.conf", proxy("nginx")),
    File("edge/haproxy.cfg", "etc/haproxy/haproxy.cfg", proxy("haproxy")),
    File("edge/apache.conf", "etc/apache2/sites-available/{site}.conf", proxy("apache")),
    File("edge/sysctl.conf", "etc/sysctl.d/{site}.conf", apart),
    File("edge/keepalived.conf", "etc/keepalived/keepalived.conf", shares),
    File("nodes/prefork.conf", "etc/{site}/{conf}", serves),
    File("service/prefork.service", "etc/systemd/system/{site}.service", serves),
    File("service/simple.service", "etc/systemd/system/{site}-simple.service", serves),
    File("service/share.mount", "etc/systemd/system/{mount}.mount", mounts),
    File("service/metrics.service", "etc/systemd/system/{site}-metrics.service", watched),
    File("service/logrotate", "etc/logrotate.d/{site}", serves),
    File("pooler/pgbouncer.ini", "etc/pgbouncer/pgbouncer.ini", role("pooler")),
    File("pooler/limits.conf", "etc/systemd/system/pgbouncer.service.d/{site}.conf", role("pooler")),
    File("pooler/haproxy.cfg", "etc/haproxy/haproxy.cfg", role("pooler")),
    File("database/postgresql.conf", "etc/postgresql/{postgresql}/main/conf.d/{site}.conf", alone),
    File("database/pg_hba.conf", "etc/postgresql/{postgresql}/main/pg_hba.conf", alone),
    File("database/patroni.yml", "etc/patroni/config.yml", replicated),
    File("database/patroni.conf", "etc/systemd/system/patroni.service.d/{site}.conf", replicated),
    File("database/etcd", "etc/default/etcd", role("consensus")),
    File("database/pgbackrest.conf", "etc/pgbackrest/pgbackrest.conf", role("database")),
    File("sessions/redis.conf", "etc/redis/redis.conf", role("sessions")),
    File("monitor/prometheus.yml", "etc/prometheus/prometheus.yml", role("monitor")),
    File("monitor/rules.yml", "etc/prometheus/rules/{site}.yml", role("monitor")),
    File("database/setup.sql", "etc/{site}/setup.sql", role("database")),
)


def render(topology: Topology, settings: Settings) -> Rendered:
    """Every file of every node, and what to do with them in `README.md`. `settings` gives ports, limits and times."""
    if topology.site.kubernetes:
        return kubernetes.render(topology, settings)
    trees: Rendered = {}
    for node in topology.nodes:
        facts = {
            "topology": topology,
            "site": topology.site,
            "node": node,
            "settings": settings,
            **derived(topology, node, settings),
        }
        trees[node.name] = {path(file, topology, node): text(file.template, facts) for file in FILES if file.wanted(topology, node)}
    first = environment().get_template("README.md")
    trees[""] = {"README.md": first.render(topology=topology, site=topology.site, trees=trees)}
    return trees


def path(file: File, topology: Topology, node: Node) -> str:
    """Where a file goes on its node, without the first slash."""
    site = topology.site
    return file.path.format(site=site.name, conf=conf(topology, node), postgresql=site.postgresql, mount=escaped(site.share_place))


def escaped(path: str) -> str:
    """A path as the name of a unit has it (systemd-escape --path)."""
    parts = path.strip("/").split("/")
    return "-".join(re.sub(r"[^A-Za-z0-9:_.]", lambda sign: f"\\x{ord(sign[0]):02x}", part) for part in parts)


def conf(topology: Topology, node: Node) -> str:
    """The name of the file of a node's Prefork."""
    return node.conf or ("odoo.conf" if topology.site.odoo else "prefork.conf")


def derived(topology: Topology, node: Node, settings: Settings) -> dict[str, object]:
    """What templates need and neither the topology nor the settings say by themselves."""
    clients = math.ceil(sum(tuning.processes(each) for each in topology.nodes))
    return {
        "conf": conf(topology, node),
        "options": options(topology, node, settings),
        "workload": list(workload(node)),
        "patience": patience(settings),
        "trusted": [each.address for each in topology.having("edge")],
        "clients": clients,
        "postgres": tuning.postgres(node.cpus, node.memory, pooled=bool(topology.having("pooler"))),
        "parameters": environment().get_template("database/parameters").render(site=topology.site).splitlines(),
        "mount": escaped(topology.site.share_place),
        "exporter": exporter(topology, node),
        "exporters": {each.name: exporter(topology, each) for each in topology.nodes},
    }


def exporter(topology: Topology, node: Node) -> str:
    """Where Prometheus asks a node; only there where both are one machine."""
    host = node.address if topology.having("monitor") != (node,) else "127.0.0.1"
    return f"{f'[{host}]' if ':' in host else host}:{METRICS_PORT}"
