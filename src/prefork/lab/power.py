"""Nodes switched on and off. On: its namespaces, its files, its cable, then its services. Off: as by a power failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from prefork.lab import network
from prefork.lab.changes import PREFIX, outside
from prefork.lab.estate import HUB, kill
from prefork.lab.furnishing import below, furnish
from prefork.lab.keeper import GO, READY

if TYPE_CHECKING:
    from prefork.lab.estate import Estate

NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
BARE: dict[str, Any] = {"files": [], "links": {}, "shared": [], "programs": [], "services": [], "below": ""}


class Failed(Exception):
    """A node does not come up; the sentence says where it says why."""


def switch_on(estate: Estate, name: str, *, serving: bool = True) -> None:
    """Start a node that is down, and connect it; its services, or nothing else. Raises Failed, Unconnected."""
    node = estate.node(name)
    furniture = furnish(estate, node) | ({} if serving else {"services": []})
    with Starting(estate, name, furniture) as starting:
        network.connect(estate.hub, estate.number(name), starting.pid, node.address, PREFIX)


def lay(estate: Estate) -> None:
    """Start the hub, with the bridge. Raises Failed, Unconnected."""
    with Starting(estate, HUB, BARE | {"below": below(estate)}) as starting:
        network.lay(starting.pid, outside(estate.topology), PREFIX)


def switch_off(estate: Estate, name: str) -> None:
    """End everything on a node at once; one that is down stays so."""
    estate.node(name)
    if pid := estate.pid(name):
        kill(pid)


class Starting:
    """A node whose files are there and whose services wait for its cable, which is laid inside `with`."""

    def __init__(self, estate: Estate, name: str, furniture: dict[str, Any]) -> None:
        self.estate, self.name = estate, name
        home = estate.home(name)
        (home / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(home / "node.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(furniture, file)
        self.pid = 0

    def __enter__(self) -> Self:
        home = self.estate.home(self.name)
        command = ["unshare", *NAMESPACES, "--mount-proc", "--fork", "--kill-child", sys.executable]
        with open(home / "log" / "keeper.log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, "-m", "prefork.lab.keeper", str(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        assert self.process.stdout
        said = self.process.stdout.read(len(READY))
        self.pid = self.estate.pid(self.name)
        if said != READY or not self.pid:
            self.process.kill()
            raise Failed(f"{self.name} does not come up; {home}/log/keeper.log says why")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        if kind is None:
            self.process.stdin.write(GO)
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.returncode = 0  # it lives on without us
