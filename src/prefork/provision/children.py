"""Runs instances as processes of its own where there is no systemd. They are led by nobody: each is a session, and outlives us.

A later console finds them by what was noted of them, or by who answers at their control socket.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from prefork.control.client import Unreachable
from prefork.instances.local import Denied, Local
from prefork.provision.process import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.provision.files import Place

OURS = ("PREFORK_", "NOTIFY_", "LISTEN_", "WATCHDOG_")  # variables that are about the console
MOMENT = 2.0  # seconds for a control socket to say whose it is


class Children:
    """`command` is how Prefork is called. `revives_after`: nobody else starts again what has ended."""

    revives_after = None

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self._ours: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, identity: str, place: Place) -> None:
        """Start one. Raises OSError."""
        with open(place.log, "ab", opener=private) as log:
            self._ours[identity] = subprocess.Popen(
                [*self.command, "serve", "-c", str(place.configuration)],
                cwd=place.directory,
                env={name: value for name, value in os.environ.items() if not name.startswith(OURS)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:
        """Its master, if it is there."""
        child = self._ours.get(identity)
        if child and child.poll() is None:
            return Process.of(child.pid)
        return known if known and known.lives() else answering(place)

    def bound(self, identity: str, memory: int | None) -> None:
        """Nobody holds a process of our own to that: only its workers have limits."""

    def stop(self, identity: str, process: Process | None) -> None:  # noqa: ARG002 - the contract's
        """Ask it to stop; asked again, it does so at once."""
        if process:
            process.signal(signal.SIGTERM)

    def how(self, identity: str) -> str:
        """How it has ended, as far as its parent knows."""
        child = self._ours.get(identity)
        code = child.poll() if child else None
        if code is None:
            return "it is gone, and nobody saw how"
        return f"exit status {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"

    def forget(self, identity: str) -> None:
        """It will not be started again."""
        self._ours.pop(identity, None)


def answering(place: Place) -> Process | None:
    """Who answers at its control socket."""
    try:
        return Process.of(int(Local(place.data).ask("status", MOMENT)["pid"]))
    except (Unreachable, Denied):
        return None


def private(path: str, flags: int) -> int:
    """Open a log that nobody else may read."""
    return os.open(path, flags, 0o600)
