"""A running Prefork: what it says at its control socket, and the incidents that it has kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prefork.config import CONTROL_SOCKET
from prefork.control.answers import explained, lacking
from prefork.control.client import Unreachable, ask
from prefork.doctor.evidence import Live, Started, Unseen
from prefork.incidents import Ledger

PATIENCE = 5.0  # seconds


def read(data_dir: Path) -> Live | Unseen:
    """The server of a data directory."""
    try:
        status, said = told(data_dir, "status"), told(data_dir, "origin")
    except Unreachable as reason:
        return Unseen(str(reason))
    try:
        incidents = tuple(Ledger(data_dir).read())
    except OSError:
        incidents = ()
    return Live(status, incidents, time.time(), Started(said["flags"], Path(said["cwd"]), said["environ"]))


def told(data_dir: Path, command: str) -> dict[str, Any]:
    """Its answer. Raises Unreachable, also where one of another release does not say what is relied on."""
    answer = ask(data_dir / CONTROL_SOCKET, {"command": command}, PATIENCE)
    if answer.get("ok") is not True:
        raise Unreachable(str(answer.get("error")))
    if lacks := lacking(command, answer):
        raise Unreachable(explained(f"the server in {data_dir}", lacks, answer.get("version")))
    return answer
