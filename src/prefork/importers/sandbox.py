"""Runs a configuration file that is a Python program, where its text alone does not tell: apart, without network, for seconds.

It runs as whoever imports: the limits keep it from doing harm by accident, not by intent, so the command says that it runs it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from prefork.importers.finding import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SECONDS = 20
# In the child, before the file: it may compute and read, but write no file and use no more than 512 MiB.
PROGRAM = """
import json, resource, sys
path, place, *names = sys.argv[1:]
for limit, most in ((resource.RLIMIT_CPU, 3), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, 1 << 29), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(limit, (most, most))
told = sys.stdout
sys.stdout = sys.stderr
known = {"__file__": place, "__name__": "gunicorn.conf"}
exec(compile(open(path, encoding="utf-8").read(), path, "exec"), known)
plain = (str, int, float, bool, list, tuple, dict, type(None))
json.dump({name: known[name] for name in names if isinstance(known.get(name), plain) and name in known}, told, default=str)
"""


def run(file: Path, home: Path, names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """The values that the program gives to `names`, as a file of the directory `home`. Raises Unreadable with the last line of what
    it said.
    """
    command = [sys.executable, "-I", "-c", PROGRAM, str(file.absolute()), str(home.absolute() / file.name), *names]
    if shutil.which("unshare") and not subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        command = ["unshare", "-rn", *command]
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(f"{file}: it did not end within {SECONDS} s when it was run") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unreadable(f"{file}: it cannot be run here: {said[-1] if said else f'it ended with {done.returncode}'}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
