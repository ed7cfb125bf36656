"""By which name this server's workers claim jobs, among all servers that share them.

A run under our own name is one that a predecessor of ours has left, and is released at once. So no other server may have that
name: it ends in an identity that the data directory keeps, bound to this machine and to its start. Copies of a disk make their
own, as does a machine that was started anew: what it was doing before ends with its leases.
"""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from prefork.master.owner import put

FILE = "prefork.node"
# Machines that were made from one disk may share their hostname and the former, which containers often lack; no two share the
# latter. Where both are missing the hostname has to do.
FACTS = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))


def name_of(data_dir: Path) -> str:
    """The name: host and directory for people, then the identity. The directory's lock must be ours."""
    return f"{platform.node()}:{data_dir}#{identity(data_dir / FILE)}"


def identity(file: Path) -> str:
    """The one that is kept here, or a new one where there is none or where it is another machine's."""
    here = [platform.node(), *(text_of(fact).strip() for fact in FACTS)]
    kept, *bond = text_of(file).split("\n")
    if kept and bond == [*here, ""]:
        return kept
    made = os.urandom(8).hex()
    with suppress(OSError):  # on a full disk it is good until this server ends
        put(file, "\n".join([made, *here, ""]), 0o600)
    return made


def text_of(file: Path) -> str:
    """What stands in a file; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
