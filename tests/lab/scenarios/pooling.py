"""Two thousand clients of the database, with PgBouncer as it is rendered and without: how many are served, by how many connections."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.conftest import ROOT
from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell

from prefork import config
from prefork.lab.network import inside
from prefork.render.files import render

CLIENTS = 2000
CLIENT = ROOT / "tests" / "lab" / "clients.py"
PORT = 6433  # of the second PgBouncer, in transaction mode
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
        second(rig, node)
        pooler, leader = rig.estate.node(node).address, rig.estate.node(rig.database("primary")).address
        rows = [
            measured(rig, "come, ask and leave", "PgBouncer, session mode", "leave", pooler, 6432),
            measured(rig, "stay, and ask five times", "PgBouncer, transaction mode", "stay", pooler, PORT),
            measured(rig, "come, ask and leave", "no PgBouncer", "leave", leader, 5432),
            measured(rig, "stay, and ask five times", "no PgBouncer", "stay", leader, 5432),
        ]
    wrong = [f"{row[1]}: {row[3]} clients turned away" for row in rows[:2] if row[3] != "0"]
    wrong += [f"{row[1]}: {row[4]} connections" for row in rows[:2] if int(row[4]) > 100]
    return f"{CLIENTS} clients at once, from an application node.\n\n{table(HEAD, rows)}", wrong


def second(rig: Rig, node: str) -> None:
    """Another PgBouncer on a pooler's node, rendered for transaction mode, at a port of its own."""
    topology = rig.estate.topology
    site = replace(topology, site=replace(topology.site, pooling="transaction"))
    text = render(site, config.Settings())[node]["etc/pgbouncer/pgbouncer.ini"].replace(
        "listen_port = 6432", f"listen_port = {PORT}"
    )
    home = Path(f"/proc/{rig.estate.pid(node)}/root/etc/pgbouncer/transaction.ini")
    home.write_text(text)
    rig.run(node, "pgbouncer", "--daemon", "-q", "/etc/pgbouncer/transaction.ini", account="postgres")


def measured(rig: Rig, clients: str, way: str, manner: str, address: str, port: int) -> list[str]:
    """A row: what the clients met, and what the database and the pooler had meanwhile."""
    dsn = f"host={address} port={port} dbname=odoo user=odoo password={rig.estate.secrets['site']}"
    command = [*inside(rig.estate.pid("app1"), "--net"), sys.executable, str(CLIENT), manner, str(CLIENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(dsn)
        process.stdin.close()
        connections, waiting = 0, 0
        while process.poll() is None:
            connections = max(connections, int(rig.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'odoo'")))
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


def waiters(rig: Rig, address: str, port: int) -> int:
    """How many clients wait, as SHOW POOLS says."""
    dsn = f"host={address} port={port} dbname=pgbouncer user=pgbouncer password={rig.estate.secrets['pgbouncer']}"
    said = subprocess.run(["psql", "-qAtX", "-d", dsn, "-c", "SHOW POOLS"], capture_output=True, text=True, check=False).stdout
    return sum(int(line.split("|")[3]) for line in said.splitlines() if line.startswith("odoo|"))
