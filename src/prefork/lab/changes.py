"""What the lab changes in a topology so that it fits on one machine. Pure; every change is a sentence, and there are no others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.lab.odoo import Odoo
    from prefork.render.topology import Node, Topology

APPLICATION = "prefork.lab.application"
CPUS, MEMORY = 2, 512 << 20
SIZES = {"workers": ("app", "2"), "max_cron_threads": ("cron", "2"), "websocket_workers": ("websocket", "1")}
CONNECTIONS, SPARE = 20_000, 100  # of an edge; descriptors of its own
PREFIX = 24  # bits that the nodes' addresses have in common


@dataclass(frozen=True)
class Fitted:
    """A topology as the lab runs it, and in sentences what is not as it was rendered for."""

    topology: Topology
    changes: tuple[str, ...]
    replaced: Mapping[str, str] = field(default_factory=dict)  # in rendered files
    odoo: Odoo | None = None  # what it serves, if not the lab's own application

    def text(self, rendered: str) -> str:
        """A rendered file as the lab has it."""
        for old, new in self.replaced.items():
            rendered = rendered.replace(old, new)
        return rendered


class Unfit(Exception):
    """The lab cannot run this topology; the sentence says why."""


def fit(
    topology: Topology,
    python: str,
    prefork: str,
    *,
    descriptors: int,
    synchronous: bool | None = None,
    confined: bool = False,
    odoo: Odoo | None = None,
) -> Fitted:
    """The topology with the lab's application or this Odoo, small machines and these programs. Raises Unfit."""
    check(topology)
    kept = tuple(node for node in topology.nodes if set(node.roles) - {"monitor"})
    site = replace(
        topology.site,
        odoo=odoo.version if odoo else "",
        app=f"{APPLICATION}:application",
        tree=odoo.tree if odoo else topology.site.tree,
        addons=odoo.addons if odoo else topology.site.addons,
        python=odoo.python if odoo else python,
        prefork=prefork,
        synchronous=topology.site.synchronous if synchronous is None else synchronous,
    )
    changes = [
        *served(topology, odoo),
        f"Prefork and the application's interpreter are {prefork} and {site.python}",
        "Patroni is that of Prefork's own environment, where this machine has none in /opt/patroni",
        f"each node has {CPUS} processors and {MEMORY >> 20} MiB for what is made from them, such as shared_buffers",
        *(f"{name} is {value} on nodes for {role}" for name, (role, value) in SIZES.items() if topology.having(role)),
        "there is no console",
        "there is no systemd: the first process of each node starts what its units would, and again when it ends",
        "passwords, the certificate, the account and userlist.txt are made by the lab, as the files' first lines ask",
        "every node sees the programs of this machine; /etc, /opt, /srv and /var are its own",
        f"{topology.site.filestore} and /var/lib/pgbackrest are directories of this machine that nodes share",
        "/var/lib/pgbackrest is made known to one stanza, and each database archives into it",
    ]
    if site.synchronous != topology.site.synchronous:
        changes.append(f"a commit {'waits' if site.synchronous else 'does not wait'} for the standby")
    if confined:
        changes.append(
            "root on nodes is this account, all others are its subordinate numbers; /etc is a copy, and /var begins empty"
        )
    replaced = fewer(descriptors)
    changes += [f"{old} is {new}, since a process may have {descriptors} descriptors here" for old, new in replaced.items()]
    left = [node.name for node in topology.nodes if node not in kept]
    if left:
        changes.append(f"left out: {', '.join(left)}, which only watches")
    own = {"console": "False"} | ({} if odoo else {"jobs": APPLICATION, "websocket_authorize": f"{APPLICATION}:authorize"})
    nodes = tuple(small(node, own) for node in kept)
    return Fitted(replace(topology, site=site, nodes=nodes), tuple(changes), replaced, odoo)


def served(topology: Topology, odoo: Odoo | None) -> tuple[str, ...]:
    """What the application is, in sentences."""
    if not odoo:
        instead = f"the application is the lab's own ({APPLICATION}), instead of {application(topology)}"
        return instead, "jobs and websocket_authorize name the lab's application"
    modules = f"its database is made with {', '.join(odoo.modules)}, without demo data"
    return f"the application is Odoo {odoo.version} in {odoo.tree}, instead of {application(topology)}", modules


def fewer(descriptors: int) -> dict[str, str]:
    """What HAProxy's files say about connections, where the machine has fewer descriptors than they take: two each, and some."""
    if descriptors >= CONNECTIONS * 2 + SPARE:
        return {}
    return {f"maxconn {CONNECTIONS}": f"maxconn {(descriptors - SPARE) // 2}"}


def application(topology: Topology) -> str:
    """What the topology itself would serve."""
    return f"Odoo {topology.site.odoo}" if topology.site.odoo else topology.site.app


def check(topology: Topology) -> None:
    """Raises Unfit."""
    if topology.site.kubernetes:
        raise Unfit("the lab runs machines, and this topology is for Kubernetes; try enterprise")
    if not topology.replicated:
        raise Unfit("the lab runs databases that fail over, and this topology has one database; try enterprise")
    for node in topology.nodes:
        if not is_ipv4(node.address) or ip_address(node.address).is_loopback:
            raise Unfit(f"nodes.{node.name}.address: the lab gives each node its own IPv4 address, and {node.address} is none")
        if "edge" in node.roles and node.proxy == "apache":
            raise Unfit(f"nodes.{node.name}.proxy: the lab has nginx and haproxy at the edge, not apache")
    try:
        network(topology)
    except ValueError:
        raise Unfit(f"nodes: their addresses are not within one network of {PREFIX} bits, and the lab has one bridge") from None


def is_ipv4(address: str) -> bool:
    """Whether it is an IPv4 address, and no name."""
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True


def small(node: Node, own: Mapping[str, str]) -> Node:
    """A node with little memory, few workers and the lab's own options. What the topology says about others stays."""
    if not node.serves:
        return replace(node, cpus=CPUS, memory=MEMORY)
    sizes = {name: value for name, (role, value) in SIZES.items() if role in node.roles}
    return replace(node, cpus=CPUS, memory=MEMORY, options={**node.options, **sizes, **own})


def network(topology: Topology) -> IPv4Network:
    """The network that all addresses are in. Raises ValueError."""
    first = IPv4Network((topology.nodes[0].address, PREFIX), strict=False)
    for address in (*(node.address for node in topology.nodes), *topology.shared.values()):
        if IPv4Address(address) not in first:
            raise ValueError(address)
    return first


def outside(topology: Topology) -> str:
    """The address of clients, and of whoever looks at the lab: the last one in the network that no node has."""
    taken = {*(node.address for node in topology.nodes), *topology.shared.values()}
    return next(str(each) for each in reversed(list(network(topology).hosts())) if str(each) not in taken)
