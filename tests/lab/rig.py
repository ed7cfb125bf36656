"""A lab for scenarios: brought up once, looked at, hit, mended. Everything waits for facts."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prefork.lab import estate, network, power, probes, stages
from prefork.lab.door import door
from prefork.lab.load import Load
from prefork.lab.odoo import Odoo
from prefork.render.topology import Node, shipped

PATIENCE = 120.0  # seconds for a fact
GLANCE = 0.3


def tell(sentence: str) -> None:
    """Say how far the run is."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


@dataclass
class Rig:
    """A lab that is up, and this process its client."""

    estate: estate.Estate

    def load(self) -> Load:
        """A steady load through its door."""
        return Load(door(self.estate))

    def having(self, role: str) -> tuple[Node, ...]:
        """The nodes of a role."""
        return self.estate.topology.having(role)

    def holder(self, role: str) -> str:
        """The node that has the address of a role."""
        address = self.estate.topology.shared[role]
        found = [each.node for each in probes.look(self.estate, self.having(role)) if address in each.addresses]
        assert len(found) == 1, f"{address} is on {found or 'no node'}"
        return found[0]

    def databases(self, word: str) -> list[str]:
        """The nodes whose database is a primary, standby or synchronous standby."""
        return [each.node for each in probes.look(self.estate, self.having("database")) if each.word("patroni") == word]

    def database(self, word: str) -> str:
        """The first of them."""
        found = self.databases(word)
        assert found, f"no database is a {word}"
        return found[0]

    def kill(self, *names: str) -> None:
        """Have nodes fail."""
        for name in names:
            power.switch_off(self.estate, name)

    def start(self, *names: str) -> None:
        """Start nodes again."""
        for name in names:
            power.switch_on(self.estate, name)

    def cut(self, *links: tuple[str, str]) -> None:
        """Let nothing pass between nodes."""
        assert network.can_cut(self.estate.hub), "this machine cannot cut links"
        for one, other in links:
            network.cut(self.estate.hub, self.estate.number(one), self.estate.number(other))

    def heal(self) -> None:
        """Let everything pass."""
        network.heal(self.estate.hub)

    def mended(self) -> bool:
        """Have everything be as in the beginning, and say whether it is."""
        self.heal()
        self.start(*(node.name for node in self.estate.topology.nodes if not self.estate.pid(node.name)))
        with suppress(AssertionError):
            self.await_well()
        return self.well()

    def run(self, name: str, *command: str, account: str = "root") -> str:
        """What a command on a node prints."""
        made = subprocess.run(
            probes.entered(self.estate.pid(name), list(command), account),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert made.returncode == 0, f"{command} on {name}: {made.stderr or made.stdout}"
        return made.stdout

    def pin(self, name: str, processor: int) -> None:
        """Have everything on a node, and what it will start, run on one processor."""
        every = f"for each in /proc/[0-9]*; do taskset -a -p -c {processor} ${{each#/proc/}}; done > /dev/null 2>&1 || true"
        self.run(name, "sh", "-c", every)

    def sql(self, query: str, name: str = "") -> str:
        """What the superuser gets from a database, the primary's where none is named."""
        node = self.estate.node(name or self.database("primary"))
        return stages.sql(self.estate, node, self.estate.topology.site.database, query).strip()

    def await_fact(self, fact: Callable[[], object], what: str, patience: float = PATIENCE) -> float:
        """Seconds until something is so."""
        began = time.monotonic()
        while not fact():
            assert time.monotonic() - began < patience, f"{what} is not so after {patience:.0f} s: {self.lacking()}"
            time.sleep(GLANCE)
        return time.monotonic() - began

    def lacking(self) -> list[str]:
        """What is not well, in words."""
        return stages.wanting(probes.look(self.estate))

    def well(self) -> bool:
        """Whether everything works, with a standby that a commit can wait for."""
        synchronous = self.estate.topology.site.synchronous
        return not self.lacking() and (not synchronous or bool(self.databases("synchronous standby")))

    def reachable(self) -> bool:
        """Whether keepalived has given every shared address to a node."""
        held = {address for each in probes.look(self.estate) for address in each.addresses}
        return held >= set(self.estate.topology.shared.values())

    def await_well(self) -> float:
        """Seconds until everything works."""
        return self.await_fact(self.well, "all is well")


def timed(step: Callable[[], object]) -> float:
    """Seconds that a step takes."""
    began = time.monotonic()
    step()
    return time.monotonic() - began


@contextmanager
def rigged(directory: Path, *, synchronous: bool | None = None, topology: str = "", served: Odoo | None = None) -> Iterator[Rig]:
    """A lab from here to the end; nothing is left of it."""
    programs = (sys.executable, str(Path(sys.executable).with_name("prefork")))
    estate.remove(directory)
    made = estate.make(directory, topology or shipped("enterprise"), "enterprise", programs, synchronous=synchronous, served=served)
    try:
        stages.bring_up(made, tell)
        rig = Rig(made)
        rig.await_well()
        rig.await_fact(rig.reachable, "every shared address is on a node")
        yield rig
    finally:
        estate.remove(directory)
