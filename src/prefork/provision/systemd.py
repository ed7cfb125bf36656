"""Runs instances as units of systemd, where there is one: prefork@ID.service, all of one file. What ends, systemd starts again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.provision import files
from prefork.provision.process import Process
from prefork.provision.writing import PUBLIC, content_of, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.provision.files import Place

RUNNING = Path("/run/systemd/system")  # sd_booted(3)
UNITS = Path("/etc/systemd/system")
FILE = "prefork@.service"
REVIVED = 5.0  # seconds before systemd starts again what has ended
PATIENCE = 60.0  # seconds for systemctl, which waits for nothing here


class Systemd:
    """`instances` is the directory that holds theirs, `account` whom their units run as."""

    revives_after = REVIVED

    def __init__(self, command: Sequence[str], instances: Path, account: str, units: Path = UNITS) -> None:
        self.command, self.instances, self.account, self.units = command, instances, account, units
        self._stopping: dict[str, Process | None] = {}

    def start(self, identity: str, place: Place) -> None:  # noqa: ARG002 - the contract's
        """Start one, now and with the machine. Raises OSError."""
        self._write()
        self._tell("enable", "--now", "--no-block", unit(identity))

    def process(self, identity: str, place: Place, known: Process | None) -> Process | None:  # noqa: ARG002 - the contract's
        """Its master, if it is there."""
        said = self._ask("MainPID", identity)
        return Process.of(int(said)) if said.isdecimal() and said != "0" else None

    def bound(self, identity: str, memory: int | None) -> None:
        """Have the kernel let its processes together take so many bytes, from now on and after each start. Raises OSError."""
        self._write()
        self._tell("set-property", unit(identity), f"MemoryMax={'infinity' if memory is None else memory}")

    def stop(self, identity: str, process: Process | None) -> None:
        """Stop it, also for the machine's next start. Raises OSError."""
        self._tell("disable", "--now", "--no-block", unit(identity))
        if process and self._stopping.get(identity) == process:
            process.signal(signal.SIGTERM)  # systemd says it once, and the second one means at once
        self._stopping[identity] = process

    def how(self, identity: str) -> str:
        """How it has ended, as systemd has it."""
        return f"systemd says: {self._ask('Result', identity) or 'nothing'}"

    def forget(self, identity: str) -> None:
        """Keep nothing of it: neither its start with the machine nor what was set for it alone. Raises OSError."""
        self._tell("disable", unit(identity))
        self._tell("revert", unit(identity))

    def _write(self) -> None:
        text = files.unit(list(self.command), self.instances, self.account, REVIVED).encode()
        if content_of(self.units / FILE) != text:
            put(self.units / FILE, text, PUBLIC)
            self._tell("daemon-reload")

    def _ask(self, name: str, identity: str) -> str:
        return self._tell("show", "--property", name, "--value", unit(identity)).strip()

    def _tell(self, *arguments: str) -> str:
        try:
            ended = subprocess.run(
                ["systemctl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"systemctl {arguments[0]} does not come to an end") from None
        if ended.returncode:
            said = " ".join(ended.stderr.split()) or f"exit status {ended.returncode}"
            raise OSError(f"systemctl {arguments[0]} has failed: {said}")
        return ended.stdout


def is_ours() -> bool:
    """Whether systemd runs this machine, and we may tell it what to do."""
    return RUNNING.is_dir() and os.geteuid() == 0


def unit(identity: str) -> str:
    """The name of an instance's."""
    return f"prefork@{identity}.service"
