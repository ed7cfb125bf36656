"""Two thousand clients of the database, with PgBouncer as rendered and without: how many are served, by how many connections."""

import json
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import ROOT
from tests.lab.page import table
from tests.lab.rig import GLANCE, Rig, rigged, tell

from prefork import config
from prefork.lab.network import inside
from prefork.lab.probes import answers
from prefork.render.files import render
from prefork.render.topology import parse, shipped

CLIENTS, CROWDS = 2000, 2  # processes that they are in
RATE = 80.0  # logins in a second, of all
ALLOWED = 100  # connections to PostgreSQL
CLIENT = ROOT / "tests" / "lab" / "clients.py"
PORTS = {"session": 6433, "transaction": 6434}
DESCRIPTORS = 4096  # what the drop-in of its unit allows it, and more than 2,000 clients need
WAYS = (("come, ask for a second and leave", "session", "leave"), ("stay, and ask five times", "transaction", "stay"))
HEAD = [
    "clients",
    "by way of",
    "served",
    "turned away",
    "connections to PostgreSQL at most",
    "clients that waited at most",
    "took",
    "a client's answers: median",
    "99 %",
]


@dataclass
class Met:
    """What the clients of one manner met, by one way."""

    took: list[float]  # seconds, of each that was served
    seconds: float
    connections: int = 0
    waited: int = 0

    def row(self, clients: str, way: str, pooled: bool) -> list[str]:
        """A line of the table."""
        median, slow = (statistics.quantiles(self.took or [0.0, 0.0], n=100)[at] for at in (49, 98))
        served, waited = len(self.took), str(self.waited) if pooled else "—"
        counts = [str(served), str(CLIENTS - served), str(self.connections), waited]
        return [clients, way, *counts, f"{self.seconds:.0f} s", f"{median:.2f} s", f"{slow:.2f} s"]


def run(place: Path) -> tuple[str, list[str]]:
    """Clients that come and go in session mode, clients that stay in transaction mode, and both without PgBouncer."""
    rows, wrong = [], []
    with rigged(place) as rig:
        node = rig.holder("pooler")
        pooler, leader = rig.estate.node(node).address, rig.estate.node(rig.database("primary")).address
        # First, as a pool keeps its connections for minutes.
        without = {manner: measured(rig, manner, leader, 5432) for _, _, manner in WAYS}
        for clients, mode, manner in WAYS:
            met = measured(rig, manner, pooler, pool(rig, node, mode))
            rows.append(met.row(clients, f"PgBouncer, {mode} mode", pooled=True))
            rows.append(without[manner].row(clients, "no PgBouncer", pooled=False))
            wrong += broken(mode, met)
    text = f"{CLIENTS} clients, of whom {RATE:.0f} log in each second from an application node.\n\n{table(HEAD, rows)}"
    return text, wrong


def broken(mode: str, met: Met) -> list[str]:
    """What does not hold, in words."""
    found = [f"{mode} mode: {CLIENTS - len(met.took)} clients turned away"] if len(met.took) < CLIENTS else []
    return found + ([f"{mode} mode: {met.connections} connections"] if met.connections > ALLOWED else [])


def pool(rig: Rig, node: str, mode: str) -> int:
    """The port of another PgBouncer on a pooler's node, with the file of the whole enterprise, not of the lab's few workers."""
    topology = parse(shipped("enterprise"), "enterprise")
    rendered = render(replace(topology, site=replace(topology.site, pooling=mode)), config.Settings())
    text = rendered[node]["etc/pgbouncer/pgbouncer.ini"].replace("listen_port = 6432", f"listen_port = {PORTS[mode]}")
    Path(f"/proc/{rig.estate.pid(node)}/root/etc/pgbouncer/{mode}.ini").write_text(text)
    start = f"ulimit -n {DESCRIPTORS}; setsid pgbouncer -q /etc/pgbouncer/{mode}.ini < /dev/null > /dev/null 2>&1 &"
    rig.run(node, "sh", "-c", start, account="postgres")
    rig.await_fact(lambda: listens(rig.estate.node(node).address, PORTS[mode]), f"PgBouncer listens at {PORTS[mode]}")
    return PORTS[mode]


def listens(address: str, port: int) -> bool:
    """Whether somebody does."""
    with suppress(OSError):
        return answers(address, port)[0]
    return False


def measured(rig: Rig, manner: str, address: str, port: int) -> Met:
    """What the clients met, and what the database and the pooler had meanwhile."""
    leader = rig.database("primary")
    dsn = f"host={address} port={port} dbname=odoo user=odoo password={rig.estate.secrets['site']}"
    crowds = [crowd(rig, manner, dsn) for _ in range(CROWDS)]
    connections, waited = 0, 0
    while any(each.poll() is None for each in crowds):
        connections = max(connections, backends(rig, leader))
        waited = max(waited, waiters(rig, address, port)) if port != 5432 else 0
        time.sleep(GLANCE)
    told = [json.loads(each.communicate()[0]) for each in crowds]
    met = Met([took for each in told for took in each["took"]], max(each["seconds"] for each in told), connections, waited)
    tell(f"{manner} at {port}: {len(met.took)} served in {met.seconds:.0f} s, {connections} connections, {waited} waited")
    for each in told:
        tell(f"    {each['refusals']}")
    return met


def crowd(rig: Rig, manner: str, dsn: str) -> subprocess.Popen[str]:
    """A process with its part of the clients, on an application node."""
    command = [sys.executable, str(CLIENT), manner, str(CLIENTS // CROWDS), str(RATE / CROWDS)]
    process = subprocess.Popen(
        [*inside(rig.estate.pid("app1"), "--net"), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    process.stdin.write(dsn)
    process.stdin.close()
    process.stdin = None  # as `communicate` would write to it
    return process


def backends(rig: Rig, leader: str) -> int:
    """PostgreSQL's processes for the site's role: where all its connections are taken nobody can ask it."""
    return int(rig.run(leader, "sh", "-c", "pgrep -c -f '^postgres: .* odoo odoo ' || true"))


def waiters(rig: Rig, address: str, port: int) -> int:
    """How many clients wait, as SHOW POOLS says."""
    dsn = f"host={address} port={port} dbname=pgbouncer user=pgbouncer password={rig.estate.secrets['pgbouncer']}"
    said = subprocess.run(["psql", "-qAtX", "-d", dsn, "-c", "SHOW POOLS"], capture_output=True, text=True, check=False).stdout
    return sum(int(line.split("|")[3]) for line in said.splitlines() if line.startswith("odoo|"))
