"""The order in which a lab comes up: bridge, databases and what they hold, poolers, servers, edges. Each waits for the one before.

Waits are for facts, looked at several times a second; who waits is told what for, each time that changes.
"""

from __future__ import annotations

import os
import subprocess
import time
from importlib.resources import files
from typing import TYPE_CHECKING

from prefork.lab import account, furnishing, network, power
from prefork.lab.estate import HUB
from prefork.lab.probes import Condition, entered, look
from prefork.lab.services import prefork

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.lab.estate import Estate
    from prefork.lab.odoo import Odoo
    from prefork.render.topology import Node

    Tell = Callable[[str], None]

TABLES = files(__package__).joinpath("application.sql").read_text()
PATIENCE = 180.0  # seconds for each stage; the machine may have other things to do
GLANCE = 0.3  # seconds
WITH_DEMO = 18  # the last version of Odoo that fills its database with inventions unless it is told not to
STAGES = (
    ("databases", {"database", "consensus"}),
    ("poolers and sessions", {"pooler", "sessions"}),
    ("servers", {"app", "cron", "websocket"}),
    ("edges", {"edge"}),
)


def bring_up(estate: Estate, tell: Tell) -> None:
    """Start what does not run yet, stage by stage, and wait until all of it works. Raises Failed, Unconnected."""
    if not estate.pid(HUB):
        prepare(estate)
        power.lay(estate)
    network.join(estate.hub)
    for stage, roles in STAGES:
        nodes = tuple(node for node in estate.topology.nodes if roles & set(node.roles))
        for node in nodes:
            if not estate.pid(node.name):
                power.switch_on(estate, node.name)
        tell(f"{stage}: {', '.join(node.name for node in nodes)}")
        await_all(estate, nodes, tell)
        if stage == "databases":
            found(estate, tell)
        if stage == "poolers and sessions" and estate.fitted.odoo:
            install(estate, estate.fitted.odoo, tell)


def prepare(estate: Estate) -> None:
    """The certificate, the directories that nodes share, with their owners, and what lies below the files of nodes."""
    if not estate.shared("certificate.pem").exists():
        furnishing.certify(estate)
    for name, owner in (("filestore", estate.topology.site.user), ("pgbackrest", "postgres")):
        place = estate.shared(name)
        place.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.chown(place, *furnishing.numbers(owner))
    if account.confined() and not estate.shared("machine").exists():
        account.copy_machine(estate.shared("machine"))


def await_all(estate: Estate, nodes: tuple[Node, ...], tell: Tell) -> None:
    """Wait until every service of these nodes works, one database leads and the others follow."""
    until, told = time.monotonic() + PATIENCE, ""
    while lacking := wanting(look(estate, nodes)):
        said = f"waiting for {', '.join(lacking)}"
        if said != told:
            told = said
            tell(f"  {said}")
        if time.monotonic() > until:
            raise power.Failed(
                f"after {PATIENCE:.0f} s the lab still waits for {', '.join(lacking)}; see {estate.directory}/nodes/*/log"
            )
        time.sleep(GLANCE)


def wanting(conditions: list[Condition]) -> list[str]:
    """What is not there yet, in words."""
    lacking = [
        f"{each.node}: {state.service}{f' ({state.word})' if state.word else ''}"
        for each in conditions
        for state in each.services
        if not state.well
    ]
    lacking += [each.node for each in conditions if not each.up]
    databases = [each.word("patroni") for each in conditions if any(state.service == "patroni" for state in each.services)]
    if databases and databases.count("primary") != 1:
        lacking.append("a primary")
    return lacking


def primary(estate: Estate) -> Node | None:
    """The node whose database leads."""
    nodes = estate.topology.having("database")
    found = [each.node for each in look(estate, nodes) if each.word("patroni") == "primary"]
    return estate.node(found[0]) if len(found) == 1 else None


def found(estate: Estate, tell: Tell) -> None:
    """Make the site's role and database, the rest as its rendered file has it, and the archive. What is there stays."""
    site, leader = estate.topology.site, primary(estate)
    assert leader
    tell(f"  roles and extensions on {leader.name}, an archive for all")
    sql(
        estate,
        leader,
        "postgres",
        # The topology lets only small letters, digits and hyphens into these names.
        f"SELECT 'CREATE ROLE {site.user} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{site.user}') \\gexec\n"  # noqa: S608
        f"SELECT 'CREATE DATABASE {site.database} OWNER {site.user}'"
        f" WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{site.database}') \\gexec\n",
    )
    sql(
        estate,
        leader,
        site.database,
        f"\\i /etc/{site.name}/setup.sql\n"
        f"ALTER ROLE {site.user} PASSWORD '{estate.secrets['site']}';\n"
        f"ALTER ROLE pgbouncer PASSWORD '{estate.secrets['pgbouncer']}';\n"
        f"SET ROLE {site.user};\n{'' if site.odoo else TABLES}",
    )
    run(estate, leader, ["pgbackrest", f"--stanza={site.name}", "stanza-create"])


def install(estate: Estate, odoo: Odoo, tell: Tell) -> None:
    """Have Odoo make its tables and files, as an operator does: on a node that does not serve yet. What is there stays."""
    done = estate.shared("installed")
    if done.exists():
        return
    node = estate.topology.having("app")[0]
    tell(f"  Odoo's database with {', '.join(odoo.modules)}, made on {node.name}; it takes minutes")
    power.switch_on(estate, node.name, serving=False)
    try:
        (server,) = prefork(estate.topology, node)
        for place in server.places:
            owner = [f"--owner={place.account}", f"--group={place.account}", f"--mode={place.mode:o}"]
            run(estate, node, ["install", "-d", *owner, place.path], account="root")
        plain = [] if int(odoo.version.partition(".")[0]) > WITH_DEMO else ["--without-demo=all"]
        made = [*server.command, "--", "-i", ",".join(odoo.modules), *plain, "--stop-after-init"]
        home = f"HOME={estate.topology.site.data_dir}"
        run(estate, node, ["env", home, *server.environment, *made], account=server.account)
    finally:
        power.switch_off(estate, node.name)
    done.touch()


def sql(estate: Estate, node: Node, database: str, text: str) -> str:
    """What psql prints, as the superuser on a node. Raises Failed."""
    return run(estate, node, ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"], text)


def run(estate: Estate, node: Node, command: list[str], text: str = "", account: str = "postgres") -> str:
    """What a program prints that runs on a node. Raises Failed."""
    made = subprocess.run(entered(estate.pid(node.name), command, account), input=text, capture_output=True, text=True, check=False)
    if made.returncode:
        raise power.Failed(f"{command[0]} fails on {node.name}: {(made.stderr.strip() or made.stdout.strip()).splitlines()[-1]}")
    return made.stdout
