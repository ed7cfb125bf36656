"""Two thousand clients of the database, with PgBouncer as rendered and without: how many are served, by how many connections."""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.conftest import ROOT
from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell

from prefork import config
from prefork.lab.network import inside
from prefork.lab.probes import answers
from prefork.render.files import render
from prefork.render.topology import parse, shipped

CLIENTS = 2000
CLIENT = ROOT / "tests" / "lab" / "clients.py"
PORTS = {"session": 6433, "transaction": 6434}
DESCRIPTORS = 4096  # what the drop-in of its unit allows it, and more than 2,000 clients need
HEAD = [
    "clients",
    "by way of",
    "served",
    "turned away",
    "connections to PostgreSQL at most",
    "clients that waited at most",
    "took",
    "median",
]


def run(place: Path) -> tuple[str, list[str]]:
    """Clients that come and go in session mode, clients that stay in transaction mode, and both without PgBouncer."""
    with rigged(place) as rig:
        node = rig.holder("pooler")
        pooler, leader = rig.estate.node(node).address, rig.estate.node(rig.database("primary")).address
        rows = [
            measured(rig, "come, ask and leave", "PgBouncer, session mode", "leave", pooler, pool(rig, node, "session")),
            measured(
                rig, "stay, and ask five times", "PgBouncer, transaction mode", "stay", pooler, pool(rig, node, "transaction")
            ),
            measured(rig, "come, ask and leave", "no PgBouncer", "leave", leader, 5432),
            measured(rig, "stay, and ask five times", "no PgBouncer", "stay", leader, 5432),
        ]
    wrong = [f"{row[1]}: {row[3]} clients turned away" for row in rows[:2] if row[3] != "0"]
    wrong += [f"{row[1]}: {row[4]} connections" for row in rows[:2] if int(row[4]) > 100]
    return f"{CLIENTS} clients at once, from an application node.\n\n{table(HEAD, rows)}", wrong


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


def measured(rig: Rig, clients: str, way: str, manner: str, address: str, port: int) -> list[str]:
    """A row: what the clients met, and what the database and the pooler had meanwhile."""
    leader = rig.database("primary")
    dsn = f"host={address} port={port} dbname=odoo user=odoo password={rig.estate.secrets['site']}"
    command = [*inside(rig.estate.pid("app1"), "--net"), sys.executable, str(CLIENT), manner, str(CLIENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(dsn)
        process.stdin.close()
        connections, waiting = 0, 0
        while process.poll() is None:
            connections = max(connections, backends(rig, leader))
            waiting = max(waiting, waiters(rig, address, port)) if port != 5432 else 0
        told = json.loads(process.stdout.read())
    tell(f"{clients}, {way}: {told}, {connections} connections, {waiting} waited")
    return [
        clients,
        way,
        str(told["served"]),
        str(told["refused"]),
        str(connections),
        str(waiting) if port != 5432 else "—",
        f"{told['seconds']:.1f} s",
        f"{told['median'] * 1000:.0f} ms",
    ]


def backends(rig: Rig, leader: str) -> int:
    """PostgreSQL's processes for the site's role: where all its connections are taken nobody can ask it."""
    return int(rig.run(leader, "sh", "-c", "pgrep -c -f '^postgres: .* odoo odoo ' || true"))


def waiters(rig: Rig, address: str, port: int) -> int:
    """How many clients wait, as SHOW POOLS says."""
    dsn = f"host={address} port={port} dbname=pgbouncer user=pgbouncer password={rig.estate.secrets['pgbouncer']}"
    said = subprocess.run(["psql", "-qAtX", "-d", dsn, "-c", "SHOW POOLS"], capture_output=True, text=True, check=False).stdout
    return sum(int(line.split("|")[3]) for line in said.splitlines() if line.startswith("odoo|"))
