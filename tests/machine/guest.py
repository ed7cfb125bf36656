"""Runs inside the machine: each check is a function, and says on the console whether it holds."""

import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import documented
import fuses
import instances
import rendered
from server import V1, Server

ROOMS = {"fuses": fuses, "rendered": rendered, "documented": documented, "instances": instances}


def wanted() -> Iterator[tuple[Callable[[Server], None], Server]]:
    """The checks of the rooms that were named, here or by the host, in their order; of version 1 only what is different there."""
    told = re.search(r"checks=(\S+)", Path("/proc/cmdline").read_text())
    named = sys.argv[1:] or (told[1].split(",") if told else [])
    for name in named or (["fuses"] if V1 else ROOMS):
        yield from ROOMS[name].checks()


def holds(check: Callable[[Server], None], server: Server) -> bool:
    name = check.__name__.replace("_", " ")
    try:
        check(server)
    except Exception:
        print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        print("\n".join(server.log.read_text().splitlines()[-15:]) if server.log.exists() else "no log", flush=True)
        subprocess.run(["journalctl", "--no-pager", "--lines=15"], check=False)
        return False
    print(f"holds  {name}", flush=True)
    return True


def main() -> int:
    checks = list(wanted())
    failed = [check.__name__ for check, server in checks if not holds(check, server)]
    print(f"machine: version {1 if V1 else 2}, {len(checks)} checks, failed: {failed or 'none'}", flush=True)
    return bool(failed)


sys.exit(main())
