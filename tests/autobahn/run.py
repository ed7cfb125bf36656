"""Runs Autobahn|Testsuite, which nobody here wrote, against WebSockets of an ASGI application; prints the score.

    .venv/bin/python tests/autobahn/run.py [CASE…]

CASE is the beginning of a number, such as `7` or `6.4.1`; by default all groups but those about compression. Needs Python 3.11 or
3.12, whose `lib2to3` knows the syntax of Python 2.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from translate import translate

from prefork.testing import Server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLACE = ROOT / ".venv-autobahn"
APPS = HERE.parent / "process" / "apps"
GROUPS = ("1.", "2.", "3.", "4.", "5.", "6.", "7.", "9.", "10.")
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}


def environment() -> Path:
    """The environment with client and cases; returns where the translated cases are."""
    requirements = HERE / "requirements.txt"
    if not (PLACE / ".ready").exists():
        subprocess.run(["sh", "tools/setup.sh", sys.executable, PLACE, requirements, "-r", requirements], cwd=ROOT, check=True)
    (installed,) = PLACE.glob("lib/python3.*/site-packages/autobahntestsuite/case")
    translate(installed, PLACE / "cases")
    return PLACE / "cases"


def main() -> int:
    """The exit status says whether a case has failed."""
    cases = environment()
    chosen = [f"{each.rstrip('.')}." for each in sys.argv[1:]] or GROUPS
    with Server("speaker:app", APPS, workers=1, websocket_workers=1, websocket_message_max="64M") as server:
        command = [PLACE / "bin" / "python", HERE / "fuzz.py", cases, str(server.port), *chosen]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    for name, (behaviour, end, result) in found.items():
        if {behaviour, end} != {"OK"}:
            print(f"{name:8} {behaviour}, at the end {end}: {result}")
    print(f"{len(found)} cases:", ", ".join(f"{count} {word}" for word, count in Counter(row[0] for row in found.values()).items()))
    return 0 if all({behaviour, end} <= FINE for behaviour, end, _ in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
