"""What the machine lacks for a lab: Debian's packages, and what only root and a kernel with namespaces can do. Changes nothing."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.lab import account

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefork.render.topology import Topology

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ALWAYS = {"ip": "iproute2", "nsenter": "util-linux", "setpriv": "util-linux", "openssl": "openssl"}
OF_ROLES = {
    "consensus": {"etcd": "etcd-server"},
    "database": {"pgbackrest": "pgbackrest"},
    "pooler": {"haproxy": "haproxy", "pgbouncer": "pgbouncer"},
    "sessions": {"redis-server": "redis-server"},
}
OURS = ("patroni", "etcd")  # modules beside Prefork: Patroni, and what it speaks with etcd by
OF_PROXIES = {"nginx": "nginx", "haproxy": "haproxy"}


def obstacles(topology: Topology) -> Iterator[str]:
    """What keeps the lab from starting here, a sentence each."""
    if lacking := missing(topology):
        yield f"programs are missing; install them, without starting them, by: RUNLEVEL=1 apt-get install {' '.join(lacking)}"
    if not all(map(find_spec, OURS)):
        yield "Patroni is missing beside Prefork (Debian's is too old for a lab); install it by: pip install 'prefork[lab]'"
    if os.geteuid() != 0:
        yield account.obstacle() or "nodes are namespaces, which this machine lets only root make; run this as root"
    if "overlay" not in Path("/proc/filesystems").read_text():
        yield "a node's files are an overlay over this machine's, and this kernel has none; load it by: modprobe overlay"


def missing(topology: Topology) -> list[str]:
    """Debian's packages that have to be installed, by their names."""
    return sorted({package for program, package in wanted(topology) if not shutil.which(program, path=SEARCHED)})


def wanted(topology: Topology) -> Iterable[tuple[str, str]]:
    """Every program that runs in the lab, and its package."""
    yield from ALWAYS.items()
    for role, programs in OF_ROLES.items():
        if topology.having(role):
            yield from programs.items()
    for node in topology.having("edge"):
        yield node.proxy, OF_PROXIES[node.proxy]
    if topology.shared:
        yield "keepalived", "keepalived"
    version = topology.site.postgresql
    yield f"/usr/lib/postgresql/{version}/bin/postgres", f"postgresql-{version}"
