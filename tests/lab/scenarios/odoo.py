"""Odoo itself in the lab: people, files and chats on two application nodes, actions on the cron node, and deaths of each."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from tests.lab.chat import Clerk, Ear
from tests.lab.hits import HITS, Bounds
from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell
from tests.lab.scenarios.failures import HEAD, judged

from prefork import config
from prefork.lab.accounts import Ledger
from prefork.lab.door import ANSWERING, Door, Visitor, door, trusting
from prefork.lab.load import Load
from prefork.lab.odoo import Odoo
from prefork.lab.probes import answers
from prefork.render.topology import Node

BEN = {"name": "Ben", "login": "ben", "password": "ben's own"}
ROUNDS = 5  # messages by each way
SOON = 30.0  # seconds for what is said and done; other people use the machine
FILE = os.urandom(300_000)
# Odoo does not ask again where a database goes: its pages fail then, as they do with its own server.
ABOUT = {
    "application node killed": Bounds(gap_writes=10.0),
    "the other application node killed": Bounds(gap_writes=10.0),
    "cron node killed": Bounds(gap_writes=10.0),
    "websocket node killed": Bounds(gap_writes=10.0),
    "switchover": Bounds(reads_failed=None, gap_writes=15.0),
    "primary killed (kill -9 of PostgreSQL)": Bounds(reads_failed=None, gap_writes=20.0),
}


@dataclass
class Office(Rig):
    """The lab with people at work in it. `anna` and `ben` have their sessions by way of the edge."""

    anna: Clerk
    ben: Clerk

    def load(self) -> Load:
        """Anna's orders in the chat, and Ben who listens."""
        return Load(door(self.estate), self.anna.cookie, self.ear())

    def ear(self) -> Callable[[Door, Ledger], Ear]:
        """Ben's at a door, who hears what is said from now on."""
        return partial(Ear, cookie=self.ben.cookie, since=int(self.anna.get("/position")))

    def doors(self) -> list[Door]:
        """Each edge at its own address."""
        return [replace(door(self.estate), address=node.address) for node in self.having("edge")]


def edge(way_in: Door) -> Callable[[], HTTPConnection]:
    """The way through an edge."""
    return partial(Visitor, way_in, trusting())


def straight(node: Node) -> Callable[[], HTTPConnection]:
    """The way to a node's server, as its edges go."""
    return partial(HTTPConnection, node.address, config.Settings().http_port, timeout=ANSWERING)


def run(place: Path, served: Odoo) -> tuple[str, list[str]]:
    """What people find, and what they notice."""
    with opened(place, served) as office:
        found = [each(office) for each in (sessions, attachments, chats, actions, shut)]
        tell("what people find is as it should be")
        rows, wrong = [], []
        for hit in HITS:
            if hit.name in ABOUT:
                text, broken = judged(office, hit, ABOUT[hit.name])
                rows.append(text)
                wrong += [f"{hit.name}: {each}" for each in broken]
        nodes = json.loads(office.anna.get("/ledger?0"))["nodes"]
        wrong += [f"actions have run on {nodes}"] if set(nodes) != {"cron1"} else []
    text = (
        f"Odoo {served.version} with {', '.join(served.modules)}.\n\n{table(['what', 'seen'], [list(each) for each in found])}\n\n"
        f"{table(HEAD, rows)}\n\nOf {sum(nodes.values())} orders each was fulfilled by the scheduled action on {', '.join(nodes)}."
    )
    return text, wrong


@contextmanager
def opened(place: Path, served: Odoo) -> Iterator[Office]:
    """The lab with Odoo, Anna and Ben, and the chat that they share."""
    with rigged(place, served=served) as rig:
        way = edge(door(rig.estate))
        anna, ben = Clerk(way), Clerk(way)
        anna.log_in("admin", "admin")
        user = anna.call("res.users", "create", BEN)
        (partner,) = anna.call("res.users", "read", [user], ["partner_id"])
        anna.call("discuss.channel", "create_group", [partner["partner_id"][0]], name="orders")
        ben.log_in(BEN["login"], BEN["password"])
        yield Office(rig.estate, anna, ben)


def sessions(office: Office) -> tuple[str, str]:
    """Who logs in on one node is known on the other, until the end is said there."""
    first, second = office.having("app")
    anna = Clerk(straight(first))
    anna.log_in("admin", "admin")
    elsewhere = anna.by(straight(second))
    assert elsewhere.known(), "the other node does not know who logged in"
    assert all(anna.by(edge(each)).known() for each in office.doors()), "not by each edge"
    elsewhere.rpc("/web/session/destroy")
    assert not anna.known(), "the first node has a session that has ended"
    return "a session", f"begun on {first.name}, known on {second.name} and through both edges; ended on {second.name}, and on both"


def attachments(office: Office) -> tuple[str, str]:
    """What is uploaded on one node is downloaded from the other, and sent by the dispatcher."""
    first, second = office.having("app")
    number = office.anna.by(straight(first)).upload("figures.bin", FILE)
    ways = [straight(second), *map(edge, office.doors())]
    for way in ways:
        assert office.anna.by(way).get(f"/web/content/{number}?download=1") == FILE, "the file is another one"
    digest = hashlib.sha1(FILE, usedforsecurity=False).hexdigest()
    kept = f"{office.estate.topology.site.filestore}/{office.estate.topology.site.database}/{digest[:2]}/{digest}"
    for node in (first, second):
        assert office.run(node.name, "stat", "-c", "%s", kept).strip() == str(len(FILE))
    return "an attachment of 300 kB", f"uploaded on {first.name}, downloaded from {second.name} and through both edges; one file"


def chats(office: Office) -> tuple[str, str]:
    """What is said on each application node is heard through each edge, by the websocket node."""
    nodes, took = office.having("app"), []
    ears = [office.ear()(each, Ledger()) for each in office.doors()]
    for ear in ears:
        ear.start()
    try:
        office.await_fact(lambda: all(each.ledger.listening for each in ears), "both listen")
        for key in range(1, ROUNDS * len(nodes) + 1):
            began = time.monotonic()
            status, said = office.anna.by(straight(nodes[key % len(nodes)])).ask(f"/orders?{key}", "POST")
            assert status == 200, said[:300]
            wait(office, lambda key=key: all(each.ledger.heard[key] == 1 for each in ears), f"order {key} is heard by both")
            took.append(time.monotonic() - began)
    finally:
        for ear in ears:
            ear.stop()
    names = " and ".join(each.name for each in nodes)
    longest = f"{sorted(took)[len(took) // 2]:.1f} s in the median, {max(took):.1f} s at most"
    return f"{len(took)} chat messages of Anna's, in turn on {names}", f"each heard once by Ben, through both edges: {longest}"


def actions(office: Office) -> tuple[str, str]:
    """The scheduled action has run for each order, on the cron node and nowhere else."""
    wait(office, lambda: len(fulfilled(office)) == ROUNDS * len(office.having("app")), "the orders are fulfilled")
    nodes = json.loads(office.anna.get("/ledger?0"))["nodes"]
    assert set(nodes) == {"cron1"}, nodes
    workers = {}
    for role in ("app", "cron", "websocket"):
        for node in office.having(role):
            names = office.run(node.name, "sh", "-c", "pgrep -a -f '^prefork: (http|cron|websocket)' | cut -d ' ' -f 3 | sort -u")
            workers[node.name] = " ".join(names.split())
    assert workers == {"app1": "http", "app2": "http", "cron1": "cron", "websocket1": "websocket"}, workers
    return "a scheduled action, wanted by each message", f"ran on cron1 {nodes['cron1']} times; no other node has a worker for it"


def shut(office: Office) -> tuple[str, str]:
    """Nodes that nobody's requests are for do not listen for them."""
    port = config.Settings().http_port
    for role in ("cron", "websocket"):
        for node in office.having(role):
            try:
                answers(node.address, port)
            except ConnectionRefusedError:
                continue
            raise AssertionError(f"{node.name} listens for requests at {port}")
    return f"a connection to port {port} of cron1 and websocket1", "refused"


def fulfilled(office: Office) -> list[int]:
    """The orders that something was done for."""
    return list(json.loads(office.anna.get("/ledger?0"))["fulfilled"])


def wait(office: Office, fact: Callable[[], object], what: str) -> None:
    """Until something is so, soon."""
    office.await_fact(fact, what, SOON)
