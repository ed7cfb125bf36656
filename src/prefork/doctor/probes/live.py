"""A running Prefork: what it says at its control socket, and the incidents that it has kept."""

from __future__ import annotations

import time
from pathlib import Path

from prefork.config import CONTROL_SOCKET
from prefork.control.client import Unreachable, ask
from prefork.doctor.evidence import Live, Started, Unseen
from prefork.incidents import Ledger

PATIENCE = 5.0  # seconds


def read(data_dir: Path) -> Live | Unseen:
    """The server of a data directory."""
    try:
        status = ask(data_dir / CONTROL_SOCKET, {"command": "status"}, PATIENCE)
        said = ask(data_dir / CONTROL_SOCKET, {"command": "origin"}, PATIENCE)
    except Unreachable as reason:
        return Unseen(str(reason))
    try:
        incidents = tuple(Ledger(data_dir).read())
    except OSError:
        incidents = ()
    return Live(status, incidents, time.time(), Started(said["flags"], Path(said["cwd"]), said["environ"]))
