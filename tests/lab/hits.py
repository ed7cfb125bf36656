"""What is done to the lab under load, and what may follow. Each is a row of docs/lab.md."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.lab.rig import Rig

from prefork.lab.accounts import Account
from prefork.lab.services import PATRONI

HELD = 8.0  # seconds that a node stays down, or a link cut
Undo = Callable[[], None]


@dataclass(frozen=True)
class Bounds:
    """What may follow from a hit, at most. `kept`: what was acknowledged is there, done and heard in the end."""

    reads_failed: int | None = 0  # None where clients may notice
    gap_writes: float = 3.0  # seconds
    refused_for: float = 0.0  # seconds
    kept: bool = True
    slowest_read: float = 15.0  # seconds; a client's patience


@dataclass(frozen=True)
class Hit:
    """`strike` does it, and gives what mends it. `held` is how long it is left so."""

    name: str
    strike: Callable[[Rig], Undo]
    bounds: Bounds = field(default_factory=Bounds)
    held: float = HELD


def node(find: Callable[[Rig], str]) -> Callable[[Rig], Undo]:
    """A node loses its power, and is started again."""

    def strike(rig: Rig) -> Undo:
        name = find(rig)
        rig.kill(name)
        return lambda: rig.start(name)

    return strike


def link(find: Callable[[Rig], list[tuple[str, str]]]) -> Callable[[Rig], Undo]:
    """Links are cut, and mended."""

    def strike(rig: Rig) -> Undo:
        rig.cut(*find(rig))
        return rig.heal

    return strike


def process(find: Callable[[Rig], str], pid: str) -> Callable[[Rig], Undo]:
    """A process of a node is killed; the node's own means bring it back."""

    def strike(rig: Rig) -> Undo:
        rig.run(find(rig), "sh", "-c", f"kill -9 {pid}")
        return lambda: None

    return strike


def switchover(rig: Rig) -> Undo:
    """The primary hands over, as for maintenance."""
    leader = rig.database("primary")
    scope = rig.estate.topology.site.name
    command = [f"{PATRONI}/patronictl", "-c", "/etc/patroni/config.yml", "switchover", "--force", "--leader", leader, scope]
    rig.run(leader, "sh", "-c", f"set -a; . /etc/patroni/secrets.env; {' '.join(command)}")
    return lambda: None


def with_etcds_leader(rig: Rig) -> Undo:
    """The primary's node loses its power, and is where etcd's leader is: the lease begins anew with the next leader."""
    primary = rig.database("primary")
    address = rig.estate.node(primary).address
    wanted = asked_of_etcd(address, "status")["header"]["member_id"]

    def led() -> str:
        return str(asked_of_etcd(address, "status")["leader"])

    members = {asked_of_etcd(each.address, "status")["header"]["member_id"]: each.address for each in rig.having("consensus")}
    if led() != wanted:
        asked_of_etcd(members[led()], "transfer-leadership", targetID=wanted)
    rig.await_fact(lambda: led() == wanted, "etcd's leader is with the primary")
    rig.kill(primary)
    return lambda: rig.start(primary)


def asked_of_etcd(address: str, what: str, **values: str) -> Any:
    """What a member says to a call of its maintenance, as JSON has it."""
    call = urllib.request.Request(f"http://{address}:2379/v3/maintenance/{what}", json.dumps(values).encode())
    with urllib.request.urlopen(call, timeout=5) as answer:
        return json.load(answer)


def others(rig: Rig) -> list[tuple[str, str]]:
    """The primary and each other database."""
    leader = rig.database("primary")
    return [(leader, each.name) for each in rig.having("database") if each.name != leader]


def all_of(rig: Rig, name: str) -> list[tuple[str, str]]:
    """A node and each other one."""
    return [(name, each.name) for each in rig.estate.topology.nodes if each.name != name]


def in_transaction(rig: Rig) -> Undo:
    """An application node loses its power in a transaction that keeps everybody else from writing orders."""
    site = rig.estate.topology.site
    address = f"host={rig.estate.topology.address('pooler')} port=6432 dbname={site.database} user={site.user}"
    said = "echo 'BEGIN; LOCK TABLE orders IN SHARE MODE;'; exec sleep 60"
    holding = f"{{ {{ {said}; }} | HOME={site.data_dir} psql -qX '{address}'; }} > /dev/null 2>&1 &"
    rig.run("app1", "sh", "-c", holding, account=site.user)
    held = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'ShareLock' AND granted"
    rig.await_fact(lambda: rig.sql(held) == "1", "orders are locked")
    rig.kill("app1")
    return lambda: rig.start("app1")


POSTMASTER = "$(head -n 1 /var/lib/postgresql/15/odoo/postmaster.pid)"
ETCD = "$(pgrep -xo etcd)"
HELD_UP = Bounds(gap_writes=15.0)  # who is under way over a link that is cut waits for it, as long as the cut and a client last
LOST = Bounds(reads_failed=None, gap_writes=25.0)  # longer than a client's patience
AWAY = Bounds(reads_failed=None, gap_writes=6.0, refused_for=3.0)
HITS = (
    Hit("edge with the address killed (nginx)", node(lambda rig: rig.holder("edge")), AWAY),
    Hit("edge with the address killed (HAProxy)", node(lambda rig: rig.holder("edge")), AWAY),
    Hit("application node killed", node(lambda _: "app1"), Bounds(gap_writes=6.0)),
    Hit("the other application node killed", node(lambda _: "app2"), Bounds(gap_writes=6.0)),
    Hit("application node killed in a transaction that locks orders", in_transaction, Bounds(gap_writes=15.0), 15.0),
    Hit("cron node killed", node(lambda _: "cron1"), held=12.0),
    Hit("websocket node killed", node(lambda _: "websocket1")),
    Hit("PgBouncer node with the address killed", node(lambda rig: rig.holder("pooler")), Bounds(gap_writes=6.0)),
    Hit("the next PgBouncer node killed", node(lambda rig: rig.holder("pooler")), Bounds(gap_writes=6.0)),
    Hit("switchover", switchover, Bounds(gap_writes=5.0)),
    Hit(
        "primary killed (kill -9 of PostgreSQL)",
        process(lambda rig: rig.database("primary"), POSTMASTER),
        Bounds(gap_writes=10.0),
        15.0,
    ),
    Hit("node of the primary lost", node(lambda rig: rig.database("primary")), LOST, 30.0),
    Hit("node of the primary lost, and etcd's leader with it", with_etcds_leader, LOST, 30.0),
    Hit(
        "node of the synchronous standby lost", node(lambda rig: rig.database("synchronous standby")), Bounds(gap_writes=6.0), 30.0
    ),
    Hit("node of the read replica lost", node(lambda rig: rig.database("standby"))),
    Hit("etcd of the primary killed", process(lambda rig: rig.database("primary"), ETCD)),
    Hit("link cut: edge, application", link(lambda rig: [(rig.holder("edge"), "app1")]), HELD_UP),
    Hit("link cut: application, PgBouncer", link(lambda rig: [("app1", rig.holder("pooler"))]), HELD_UP),
    Hit("link cut: cron, PgBouncer", link(lambda rig: [("cron1", rig.holder("pooler"))])),
    Hit("link cut: websocket, PgBouncer", link(lambda rig: [("websocket1", rig.holder("pooler"))])),
    Hit("link cut: edge, websocket", link(lambda rig: [(rig.holder("edge"), "websocket1")])),
    Hit(
        "link cut: PgBouncer, primary", link(lambda rig: [(rig.holder("pooler"), rig.database("primary"))]), Bounds(gap_writes=25.0)
    ),
    Hit(
        "link cut: primary, synchronous standby",
        link(lambda rig: [(rig.database("primary"), rig.database("synchronous standby"))]),
        Bounds(gap_writes=25.0),
        20.0,
    ),
    Hit("links cut: primary, both other databases", link(others), replace(LOST, gap_writes=35.0), 35.0),
)


def broken(bounds: Bounds, account: Account) -> list[str]:
    """What does not hold, in words."""
    found = []
    if bounds.reads_failed is not None and account.reads_failed > bounds.reads_failed:
        found.append(f"{account.reads_failed} safe requests failed")
    if account.gap_writes > bounds.gap_writes:
        found.append(f"no order for {account.gap_writes:.1f} s, above {bounds.gap_writes:.0f} s")
    if account.refused_for > bounds.refused_for:
        found.append(f"connects refused for {account.refused_for:.1f} s, above {bounds.refused_for:.0f} s")
    if bounds.kept and account.jobs_twice > account.runs_broken:  # else the end of a run may be what was lost
        found.append(f"{account.jobs_twice} jobs done twice, and {account.runs_broken} runs failed or lost")
    if account.messages_twice:
        found.append(f"{account.messages_twice} messages heard twice")
    return found + (missing(account) if bounds.kept else [])


def missing(account: Account) -> list[str]:
    """What was owed and is not there, in words."""
    owed = {"acknowledged orders": account.lost, "jobs": account.jobs_lost, "messages": account.messages_lost}
    return [f"{count} {what} lost" for what, count in owed.items() if count]
