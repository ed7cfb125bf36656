"""What is free on this machine: looks at it, and at what the instances were given. Takes nothing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from prefork.config import read_machine
from prefork.instances.changes import Conflict
from prefork.provision.grant import Free
from prefork.sizing.bounds import KEPT
from prefork.sizing.database import Database
from prefork.sizing.machine import GIB, Machine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prefork.config import Machine as Measured
    from prefork.provision.grant import Grant

UNKNOWN = 4 * GIB  # where the kernel does not say how much memory there is


def look(given: Collection[Grant], ports: range, max_connections: int, measured: Measured | None = None) -> Free:
    """What is left beside what has been `given`. Raises Conflict where no port is."""
    measured = measured or read_machine()
    machine = Machine(measured.cpus, measured.memory or UNKNOWN)
    memory = machine.memory - int(machine.memory * KEPT) - sum(each.memory for each in given)
    open_ = Database(max_connections).open
    taken = {port for each in given for port in (each.http_port, each.websocket_port)}
    found = unused(port for port in ports if port not in taken)
    pair = next(found, None), next(found, None)
    if pair[0] is None or pair[1] is None:
        raise Conflict(f"no two ports are free from {ports.start} to {ports.stop - 1}; give the console others with --ports")
    left = open_ - sum(each.connections for each in given)
    return Free(machine, max(0, memory), max(0, left), open_, (pair[0], pair[1]))


def unused(ports: Iterator[int]) -> Iterator[int]:
    """Those that nobody listens on."""
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            yield port
