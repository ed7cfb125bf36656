"""The files for Kubernetes: a base for kustomize with a Deployment for each node, an image, and what watches them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefork.render.nodes import options, patience, workload
from prefork.render.writing import text

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.render.topology import Node, Topology

METRICS_PORT = 8073
ACCOUNT = 10001  # of the processes in a container; it has no name
BASE, IMAGE, MONITOR = "base", "image", "monitor"
MOST = 4  # times the replicas of a Deployment, before the cluster starts no more


def render(topology: Topology, settings: Settings) -> dict[str, dict[str, str]]:
    """Every file, by directory. `settings` gives ports, limits and times."""
    site = topology.site
    facts: dict[str, object] = {
        "topology": topology,
        "site": site,
        "node": None,
        "settings": settings,
        "conf": "odoo.conf" if site.odoo else "prefork.conf",
        "patience": patience(settings),
        "web": topology.having("app")[0],
        "live": next(iter(topology.having("websocket")), None),
        "account": ACCOUNT,
        "metrics_port": METRICS_PORT,
        "venv": site.python.removesuffix("/bin/python"),
        "code": site.tree if site.odoo else f"/srv/{site.name}",
    }
    base = {
        "kustomization.yaml": text("kubernetes/kustomization.yaml", facts),
        "ingress.yaml": text("kubernetes/ingress.yaml", facts),
    }
    for node in topology.nodes:
        own = facts | deployed(topology, node, settings)
        base[f"{node.name}.yaml"] = text("kubernetes/deployment.yaml", own)
        base[f"{node.name}.conf"] = text("kubernetes/prefork.conf", own)
    return {
        "": {"README.md": text("kubernetes/README.md", facts)},
        BASE: base,
        IMAGE: {"Containerfile": text("kubernetes/Containerfile", facts)},
        MONITOR: {
            "etc/prometheus/prometheus.yml": text("kubernetes/prometheus.yml", facts),
            "adapter.yaml": text("kubernetes/adapter.yaml", facts),
            f"etc/prometheus/rules/{site.name}.yml": text("monitor/rules.yml", facts),
        },
    }


def deployed(topology: Topology, node: Node, settings: Settings) -> dict[str, object]:
    """What is one Deployment's own."""
    return {
        "node": node,
        "full_name": f"{topology.site.name}-{node.name}",
        "options": options(topology, node, settings),
        "workload": list(workload(node)),
        "port": settings.http_port if "app" in node.roles else settings.websocket_port if "websocket" in node.roles else None,
        "most": node.replicas * MOST,
        "grace": math.ceil(grace(node, settings)) + 15,
    }


def grace(node: Node, settings: Settings) -> float:
    """Seconds that a stop may take: the balancers' and what the longest work is given."""
    jobs = settings.graceful_timeout_cron if "cron" in node.roles else 0
    return 5 + max(settings.graceful_timeout, jobs or 0)
