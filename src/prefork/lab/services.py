"""Which programs run on a node, and how: the commands of Debian's units and of ours, without systemd. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefork.render.files import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.render.topology import Node, Topology

PATRONI = "/opt/patroni/bin"  # as the rendered drop-in of its unit says
LIMITED = 65_536  # LimitNOFILE= of the rendered units


@dataclass(frozen=True)
class Place:
    """A directory that a service needs, as RuntimeDirectory= and StateDirectory= make it."""

    path: str
    account: str
    mode: int = 0o755


@dataclass(frozen=True)
class Service:
    """A program of a node: its command, its account, variables and files with more of them, directories to be made before."""

    name: str
    command: tuple[str, ...]
    account: str = "root"
    variables: tuple[str, ...] = ()
    places: tuple[Place, ...] = field(default=())
    descriptors: int = 1024  # LimitNOFILE=, or what systemd gives where it is not set
    environment: tuple[str, ...] = ()  # NAME=VALUE, as Environment= has them


def services(topology: Topology, node: Node) -> tuple[Service, ...]:
    """All of a node, in the order in which they are started."""
    return tuple(each for role in SERVED for each in SERVED[role](topology, node) if role in node.roles) + tuple(
        each for each in (*prefork(topology, node), *keepalived(topology, node))
    )


def consensus(*_: object) -> Iterator[Service]:
    """etcd."""
    place = Place("/var/lib/etcd", "etcd", 0o700)
    yield Service("etcd", ("/usr/bin/etcd",), "etcd", ("/etc/default/etcd",), (place,))


def database(topology: Topology, _: Node) -> Iterator[Service]:
    """Patroni, which starts PostgreSQL."""
    places = (
        Place("/run/postgresql", "postgres", 0o2775),
        Place("/var/lib/postgresql", "postgres"),
        Place(f"/var/lib/postgresql/{topology.site.postgresql}", "postgres"),
        Place("/var/log/postgresql", "postgres"),
        Place("/var/log/pgbackrest", "postgres", 0o770),
    )
    yield Service("patroni", (f"{PATRONI}/patroni", "/etc/patroni/config.yml"), "postgres", ("/etc/patroni/secrets.env",), places)


def pooler(*_: object) -> Iterator[Service]:
    """HAProxy, which knows the primary, and PgBouncer before it."""
    yield balancer()
    place = Place("/run/postgresql", "postgres", 0o2775)
    yield Service("pgbouncer", ("/usr/sbin/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"), "postgres", (), (place,), LIMITED)


def sessions(*_: object) -> Iterator[Service]:
    """Redis."""
    places = (Place("/run/redis", "redis"), Place("/var/lib/redis", "redis", 0o750))
    yield Service("redis", ("/usr/bin/redis-server", "/etc/redis/redis.conf", "--daemonize", "no"), "redis", (), places, LIMITED)


def edge(_: Topology, node: Node) -> Iterator[Service]:
    """The proxy."""
    yield balancer() if node.proxy == "haproxy" else Service("nginx", ("/usr/sbin/nginx", "-g", "daemon off;"))


def balancer() -> Service:
    """The same for edges and poolers."""
    return Service("haproxy", ("/usr/sbin/haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"))


def prefork(topology: Topology, node: Node) -> Iterator[Service]:
    """Prefork itself, as its unit starts it."""
    if not node.serves:
        return
    site = topology.site
    command: tuple[str, ...] = (site.prefork, "serve", "-c", f"/etc/{site.name}/{conf(topology, node)}")
    places = tuple(Place(each, site.user, 0o700) for each in dict.fromkeys((site.data_dir, kept(topology))))
    if site.odoo:
        command += ("--odoo", site.tree, "--python", site.python)
    environment = (f"PREFORK_DATA_DIR={kept(topology)}",) if site.odoo else ()
    yield Service("prefork", command, site.user, (), places, LIMITED, environment)


def kept(topology: Topology) -> str:
    """Where a server keeps what is its machine's own: Odoo's data_dir may be a mount that nodes share."""
    return f"/var/lib/prefork-{topology.site.name}" if topology.site.odoo else topology.site.data_dir


def keepalived(topology: Topology, node: Node) -> Iterator[Service]:
    """What moves an address that nodes share."""
    if any(role in topology.shared for role in node.roles):
        yield Service("keepalived", ("/usr/sbin/keepalived", "--dont-fork", "--log-console", "--vrrp"))


SERVED: dict[str, Callable[[Topology, Node], Iterator[Service]]] = {
    "consensus": consensus,
    "database": database,
    "pooler": pooler,
    "sessions": sessions,
    "edge": edge,
}
