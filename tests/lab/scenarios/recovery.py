"""A table is dropped. pgBackRest restores the database to the second before, beside the living ones; the table returns from it."""

import time
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.rig import Rig, rigged, tell, timed

BEFORE, AFTER = 6.0, 3.0  # seconds of orders before the moment that is wanted back, and between it and the accident
RESTORED, SOCKETS = "/var/lib/postgresql/15/restored", "/run/postgresql"
PORT = "5439"
BINARIES = "/usr/lib/postgresql/15/bin"


def run(place: Path) -> tuple[str, list[str]]:
    """Backup, orders, a moment, more orders, the accident, the restore."""
    with rigged(place) as rig:
        leader = rig.database("primary")
        took = timed(lambda: rig.run(leader, "pgbackrest", "--stanza=odoo", "--type=full", "backup", account="postgres"))
        tell(f"full backup in {took:.1f} s")
        with rig.load() as load:
            time.sleep(BEFORE)
            account = load.stop()
        wanted = datetime.now(UTC)
        kept = int(rig.sql("SELECT count(*) FROM orders"))
        assert kept >= account.acknowledged > 0
        time.sleep(AFTER)
        rig.sql("INSERT INTO orders (key) VALUES (-1); DROP TABLE orders; SELECT pg_switch_wal()")
        tell(f"{kept} orders dropped")
        back = timed(lambda: restore(rig, wanted))
        found = int(restored(rig, "SELECT count(*) FROM orders"))
        returned = timed(lambda: give_back(rig))
        now, late = int(rig.sql("SELECT count(*) FROM orders")), int(rig.sql("SELECT count(*) FROM orders WHERE key = -1"))
        tell(f"{found} restored in {back:.1f} s, {now} returned in {returned:.1f} s")
    wrong = [f"{kept} orders were there, {now} came back"] if now != kept else []
    wrong += ["what came after the moment came back, too"] if late else []
    text = (
        f"{kept} orders, acknowledged through the edge after a full backup ({took:.1f} s), then `DROP TABLE`. Restored to the "
        f"second before, beside the living ones on the read replica's node: {back:.1f} s. Copied to the primary: {returned:.1f} s. "
        f"{now} of {kept} orders are back, and none that came later."
    )
    return text, wrong


def restore(rig: Rig, wanted: datetime) -> None:
    """A second PostgreSQL on the node of the read replica, as it was at this moment."""
    target = f"--target={wanted:%Y-%m-%d %H:%M:%S.%f}+00"
    command = ["pgbackrest", "--stanza=odoo", f"--pg1-path={RESTORED}", "--type=time", target, "--target-action=promote", "restore"]
    rig.run(replica(rig), "install", "-d", "-m", "0700", RESTORED, account="postgres")
    rig.run(replica(rig), *command, account="postgres")
    settings = (
        f"-c port={PORT} -c listen_addresses= -c unix_socket_directories={SOCKETS} -c archive_mode=off -c logging_collector=off"
    )
    start = [f"{BINARIES}/pg_ctl", "-D", RESTORED, "-w", "-t", "120", "-l", "/dev/null", "-o", settings, "start"]
    rig.run(replica(rig), *start, account="postgres")
    rig.await_fact(lambda: restored(rig, "SELECT pg_is_in_recovery()") == "f", "the restored database is promoted")


def restored(rig: Rig, query: str) -> str:
    """What the restored database says."""
    return rig.run(replica(rig), "psql", "-qAtX", "-h", SOCKETS, "-p", PORT, "-d", "odoo", "-c", query, account="postgres").strip()


def give_back(rig: Rig) -> None:
    """The table, from the restored database to the primary."""
    dump = rig.run(replica(rig), "pg_dump", "-h", SOCKETS, "-p", PORT, "-t", "orders", "odoo", account="postgres")
    rig.sql(dump)


def replica(rig: Rig) -> str:
    """The node that is neither primary nor synchronous standby."""
    return rig.database("standby")
