"""What several nodes must share, and what one process must not keep to itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.doctor.checks.proxy import fronts
from prefork.doctor.verdict import Finding, check, failed, passed

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Machine
    from prefork.doctor.routing import Proxy

CAREFUL = (3, 0, 3)  # the first Patroni that takes the lead in etcd only where nobody has it
ALONE = {"ssd", "rotating", "virtual", "memory"}  # kinds of disks that no other node sees


@check(
    "sessions-outlive-workers",
    why="A session in one worker's memory is lost at every click that another worker answers",
    source="Multi-processing, issues: session lost between requests",
)
def in_memory(conf: Conf) -> Finding:
    """Where sessions are kept."""
    if conf.settings.session_store == "memory" and conf.workers:
        return failed(f"{conf.says('session_store')} with {conf.workers} workers", "session_store = file")
    return passed("sessions outlive their worker")


@check(
    "sessions-shared",
    why="A visitor whose next request goes to another node is logged out",
    source="Multi-processing, issues: ensure session_store uses file or Redis; Enterprise, layer 3",
)
def sessions(conf: Conf, proxy: Proxy, machine: Machine) -> Finding:
    """Sessions in files, on a disk that other nodes do not see."""
    nodes = hosts(proxy)
    stored = conf.settings.session_store == "file" and (hosted(conf) or "session_store" in conf.settings.sources)
    if len(nodes) > 1 and stored and machine.disk in ALONE and not sticky(proxy):
        fix = "ip_hash;" if conf.odoo and not conf.settings.odoo else "session_store = redis://redis.example/0"
        return failed(f"{len(nodes)} nodes, and {conf.data_dir} is on a disk of this one", fix)
    return passed("one node" if len(nodes) < 2 else "sessions are shared, or visitors stay on a node")


@check(
    "filestore-shared",
    why="An attachment that was put in on one node is missing on all others",
    source="Enterprise, layer 3: all Odoo nodes must mount the exact same filestore",
)
def filestore(conf: Conf, proxy: Proxy, machine: Machine) -> Finding:
    """The data directory of several nodes."""
    nodes = hosts(proxy)
    if len(nodes) > 1 and machine.disk in ALONE and hosted(conf):
        named = ", ".join(sorted(nodes))
        seen = f"{len(nodes)} nodes ({named}), and {conf.data_dir} is on a disk of this one: {machine.disk}"
        return failed(seen, f"mount -t nfs4 storage:/odoo {conf.data_dir}    # and a line in /etc/fstab, on every node")
    return passed("one node" if len(nodes) < 2 else f"{conf.data_dir} is on a disk of the kind: {machine.disk}")


@check(
    "primary-one-at-a-time",
    why="After a partition an older Patroni has the old primary take the lead from the new one, and what that has written is lost",
    source="Enterprise, principle 2: consistency supersedes all else",
)
def patroni(machine: Machine) -> Finding:
    """A Patroni that asks nobody before it renews its lead in etcd with a new lease."""
    if machine.patroni and numbers(machine.patroni) < CAREFUL:
        made = "python3 -m venv /opt/patroni && /opt/patroni/bin/pip install 'patroni[etcd3,psycopg3]>=4.1'"
        return failed(f"Patroni {machine.patroni} runs here", f"{made}    # then have its unit run that")
    return passed(f"Patroni {machine.patroni} runs here" if machine.patroni else "no Patroni runs here")


def numbers(version: str) -> tuple[int, ...]:
    """A version, to be compared."""
    return tuple(int(each) for each in re.findall(r"\d+", version)[:3])


def hosted(conf: Conf) -> bool:
    """Whether the application is Odoo, which keeps sessions and attachments in files."""
    return conf.odoo or conf.settings.odoo is not None


def hosts(proxy: Proxy) -> set[str]:
    """The machines that pages come from."""
    return {target.rpartition(":")[0] for _, place in fronts(proxy) for target in proxy.targets(place)}


def sticky(proxy: Proxy) -> bool:
    """Whether nginx sends a visitor to the same node each time."""
    blocks = [each for top in proxy.tree for each in (top, *top.block) if each.name == "upstream"]
    return any(line.name in {"ip_hash", "hash", "sticky"} for each in blocks for line in each.block)
