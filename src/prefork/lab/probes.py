"""How the services of a node are, asked as a neighbour would: each answers `State`. The caller has joined the lab's network."""

from __future__ import annotations

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.config.settings import CONTROL_SOCKET
from prefork.control.client import Unreachable, ask
from prefork.lab.network import inside
from prefork.lab.services import kept, services

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.lab.estate import Estate
    from prefork.render.topology import Node

PATIENCE = 2.0  # seconds for an answer
POOLED, BEHIND, SESSIONS = 6432, 15432, 6379


@dataclass(frozen=True)
class State:
    """Whether a service does its work, and a word about it."""

    service: str
    well: bool
    word: str = ""


@dataclass(frozen=True)
class Condition:
    """A node: whether it is up, which of the shared addresses it has, and its services."""

    node: str
    up: bool
    addresses: tuple[str, ...] = ()
    services: tuple[State, ...] = ()

    @property
    def well(self) -> bool:
        """Whether all of it works."""
        return self.up and all(each.well for each in self.services)

    def word(self, service: str) -> str:
        """What is said of a service."""
        return next((each.word for each in self.services if each.service == service), "")


def look(estate: Estate, nodes: tuple[Node, ...] | None = None) -> list[Condition]:
    """These nodes, or all, at the same time."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda node: condition(estate, node), estate.topology.nodes if nodes is None else nodes))


def condition(estate: Estate, node: Node) -> Condition:
    """One node."""
    pid = estate.pid(node.name)
    if not pid:
        return Condition(node.name, up=False)
    states = []
    for service in services(estate.topology, node):
        well, word = probed(service.name, estate, node)
        states.append(State(service.name, well, word))
    return Condition(node.name, up=True, addresses=held(estate, node, pid), services=tuple(states))


def probed(service: str, estate: Estate, node: Node) -> tuple[bool, str]:
    """How a service is; whatever keeps it from answering is the word about it."""
    try:
        return PROBES[service](estate, node)
    except (OSError, HTTPException, ValueError, Unreachable) as error:
        return False, (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def etcd(_: Estate, node: Node) -> tuple[bool, str]:
    """Whether it is one of a majority."""
    told = asked(node.address, 2379, "/health")[1]
    return str(told.get("health")) == "true", "" if str(told.get("health")) == "true" else "without a majority"


def patroni(_: Estate, node: Node) -> tuple[bool, str]:
    """What its database is."""
    told = asked(node.address, 8008, "/patroni")[1]
    role = "primary" if told.get("role") in {"master", "primary"} else str(told.get("role", ""))
    word = "synchronous standby" if told.get("sync_standby") else {"replica": "standby"}.get(role, role)
    return told.get("state") == "running", word if told.get("state") == "running" else str(told.get("state"))


def proxy(estate: Estate, node: Node) -> tuple[bool, str]:
    """Whether it listens."""
    return answers(node.address, estate.topology.site.https_port if "edge" in node.roles else BEHIND)


def pgbouncer(_: Estate, node: Node) -> tuple[bool, str]:
    """Whether it listens."""
    return answers(node.address, POOLED)


def redis(_: Estate, node: Node) -> tuple[bool, str]:
    """Whether it has read its file and answers."""
    with socket.create_connection((node.address, SESSIONS), PATIENCE) as connection:
        connection.sendall(b"PING\r\n")
        said = connection.recv(64).decode().strip()
    return said == "+PONG", "" if said == "+PONG" else said.lower()


def keepalived(*_: object) -> tuple[bool, str]:
    """It is well where it runs: who has the address is told of the node."""
    return True, ""


def server(estate: Estate, node: Node) -> tuple[bool, str]:
    """Whether Prefork has the workers that it wants, as its control socket says, which is seen through the node's own files."""
    place = Path(f"/proc/{estate.pid(node.name)}/root{kept(estate.topology)}/{CONTROL_SOCKET}")
    told = ask(place, {"command": "status"}, PATIENCE)
    pools = {"http": told, "cron": told["cron"], "websocket": told["websocket"]}
    lacking = [name for name, pool in pools.items() if pool["ready"] < pool["wanted"]]
    wanted = sum(pool["wanted"] for pool in pools.values())
    return bool(wanted) and not lacking, f"{', '.join(lacking)} not ready" if lacking else ""


def asked(host: str, port: int, path: str) -> tuple[int, dict[str, object]]:
    """The status of a page, and what it says where that is JSON."""
    connection = HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        told = json.loads(text) if text.startswith("{") else {}
        return answer.status, told
    finally:
        connection.close()


def answers(host: str, port: int) -> tuple[bool, str]:
    """Whether somebody listens. Raises OSError."""
    socket.create_connection((host, port), PATIENCE).close()
    return True, ""


def held(estate: Estate, node: Node, pid: int) -> tuple[str, ...]:
    """Which of the shared addresses a node has."""
    if not any(role in estate.topology.shared for role in node.roles):
        return ()
    said = subprocess.run(
        [*inside(pid, "--net"), "ip", "-o", "-4", "addr", "show", "eth0"], capture_output=True, text=True, check=False
    )
    return tuple(each for each in estate.topology.shared.values() if f" {each}/" in said.stdout)


def entered(pid: int, command: list[str], account: str = "root") -> list[str]:
    """A command as it is run on a node."""
    places = ["nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--uts", "--ipc", "--wd=/", "--"]
    return [
        *places,
        *(["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups"] if account != "root" else []),
        *command,
    ]


PROBES: dict[str, Callable[[Estate, Node], tuple[bool, str]]] = {
    "etcd": etcd,
    "patroni": patroni,
    "haproxy": proxy,
    "nginx": proxy,
    "pgbouncer": pgbouncer,
    "redis": redis,
    "keepalived": keepalived,
    "prefork": server,
}
