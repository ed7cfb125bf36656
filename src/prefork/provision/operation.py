"""A server started and stopped, with the time that it takes: until it is ready or gone, or until it is known that it fails."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from prefork.control.client import Unreachable
from prefork.instances import provisions
from prefork.instances.local import Denied, Local

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.provision.files import Place
    from prefork.provision.premises import Premises
    from prefork.provision.process import Process

READY = 600.0  # seconds that a start may take at the most: the server's own boot_timeout says it earlier
GONE = 300.0  # seconds that a stop may take before it is asked for again: the server's graceful_timeout ends it earlier
AT_ONCE = 30.0  # seconds that a stop without grace may take
GLANCE = 0.1  # seconds between two looks
MOMENT = 5.0  # seconds for an answer
LINES, LONGEST = 25, 4000  # of a log that are told


class Failed(Exception):
    """It does not start, or does not stop; the text says why, with the end of its log."""


def launch(premises: Premises, identity: str) -> None:
    """Start a server and wait until it is ready. Raises Failed; what is left of it then is stopped."""
    place = premises.place(identity)
    before = size(place.log)
    try:
        premises.runner.start(identity, place)
        wait_ready(premises, identity, place)
    except (OSError, Failed) as error:
        with suppress(Failed, OSError):
            halt(premises, identity)
        said = told(place.log, before)
        raise Failed(f"{error}\n{said}".strip()) from None


def wait_ready(premises: Premises, identity: str, place: Place) -> None:
    """Wait until a server serves. Raises Failed, OSError."""
    local, deadline = Local(place.data), time.monotonic() + READY
    known: Process | None = None
    while time.monotonic() < deadline:
        process = premises.runner.process(identity, place, known)
        if process and process != known:
            if known:
                raise Failed(f"it has ended before it was ready: {premises.runner.how(identity)}")
            known = process
            provisions.note_process(premises.db, identity, process.pid, process.began)
        if not process and (known or premises.runner.revives_after is None):
            raise Failed(f"it has ended before it was ready: {premises.runner.how(identity)}")
        with suppress(Unreachable, Denied):
            status = local.ask("status", MOMENT)
            if status["state"] == "running" and process and status["pid"] == process.pid:
                return
        time.sleep(GLANCE)
    raise Failed(f"it was not ready after {READY:.0f} s")


def halt(premises: Premises, identity: str) -> None:
    """Stop a server and wait until it is gone. Raises Failed, OSError."""
    process = premises.process(premises.provision(identity))
    if process is None:
        premises.runner.stop(identity, None)  # what has failed to start may be about to be started again
    for patience in (GONE, AT_ONCE):
        if process is None:
            break
        premises.runner.stop(identity, process)
        if ended(process, patience):
            process = None
    if process:
        raise Failed(f"its master, pid {process.pid}, does not stop")
    provisions.note_process(premises.db, identity, None, None)


def ended(process: Process, patience: float) -> bool:
    """Wait for the end of a process; whether it has come in time."""
    deadline = time.monotonic() + patience
    while process.lives() and time.monotonic() < deadline:
        time.sleep(GLANCE)
    return not process.lives()


def size(log: Path) -> int:
    """The bytes of a log."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def told(log: Path, after: int) -> str:
    """What stands at the end of a log, behind what was there before."""
    try:
        with open(log, "rb") as file:
            file.seek(max(after, size(log) - LONGEST))
            return "\n".join(file.read(LONGEST).decode(errors="replace").splitlines()[-LINES:])
    except OSError:
        return ""
