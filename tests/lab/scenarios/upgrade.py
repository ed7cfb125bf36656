"""Schema, application and Prefork of every node are renewed, one node after the other, while the load goes on."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.hits import switchover
from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell, timed

SERVERS = ("app", "websocket", "cron")
AROUND = 3.0  # seconds of load before and after


def run(place: Path) -> tuple[str, list[str]]:
    """The account of one load over all of it."""
    with rigged(place) as rig, rig.load() as load:
        time.sleep(AROUND)
        took = {
            "schema: a column more, with a default": timed(
                lambda: rig.sql("ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT ''")
            ),
            "application: `prefork reload` on each node": timed(lambda: each(rig, reload)),
            "Prefork: stopped and started on each node": timed(lambda: each(rig, restart)),
            "PostgreSQL: switchover": timed(lambda: switch(rig)),
            "edge: nginx and HAProxy reloaded": timed(lambda: edges(rig)),
        }
        rig.await_well()
        time.sleep(AROUND)
        account = load.stop()
    for sentence in account.sentences():
        tell(sentence)
    failed = account.reads_failed + account.refused
    wrong = [f"{failed} safe requests failed or were refused"] if failed else []
    wrong += [f"{account.lost} orders, {account.jobs_lost} jobs, {account.messages_lost} messages lost"] if account.lost else []
    rows = [[step, f"{seconds:.1f} s"] for step, seconds in took.items()]
    text = (
        f"{table(['step', 'took'], rows)}\n\n"
        f"Of {account.reads} pages {account.reads_failed} failed, the slowest took {account.slowest_read:.1f} s, and "
        f"{account.refused} connects were refused. Of {account.writes} orders {account.acknowledged} were acknowledged, none for "
        f"{account.gap_writes:.1f} s at the longest (the switchover); {account.lost} were lost, and of their jobs "
        f"{account.jobs_lost}, of their messages {account.messages_lost}."
    )
    return text, wrong


def each(rig: Rig, renew: Callable[[Rig, str], None]) -> None:
    """Every server, the next one when all is well again."""
    for role in SERVERS:
        for node in rig.having(role):
            renew(rig, node.name)
            rig.await_well()


def reload(rig: Rig, name: str) -> None:
    """New code in the same server."""
    rig.run(name, rig.estate.topology.site.prefork, "reload", "-c", "/etc/odoo/prefork.conf")


def restart(rig: Rig, name: str) -> None:
    """A new server, as systemd would start it after a stop."""
    before = master(rig, name)
    rig.run(name, "kill", "-TERM", before)
    rig.await_fact(lambda: master(rig, name) not in {before, ""}, f"the server of {name} is a new one")


def master(rig: Rig, name: str) -> str:
    """The pid of a node's master, there; empty while there is none."""
    return rig.run(name, "sh", "-c", "pgrep -f -o '^prefork: master' || true").strip()


def switch(rig: Rig) -> None:
    """The primary hands over."""
    switchover(rig)
    rig.await_well()


def edges(rig: Rig) -> None:
    """Their proxies take their files again."""
    for node in rig.having("edge"):
        signal = "-HUP" if node.proxy == "nginx" else "-USR2"
        rig.run(node.name, "sh", "-c", f"kill {signal} $(pgrep -o -x {node.proxy})")
        rig.await_well()
