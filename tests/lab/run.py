"""`make test-lab`: brings the lab up, hits it under load, and writes what came of it into docs/lab.md. Root, about an hour.

`python tests/lab/run.py SCENARIO…` runs some of the scenarios. The exit status is 1 when a promise did not hold.
"""

import signal
import sys
import tempfile
from pathlib import Path

from tests.lab import scenarios
from tests.lab.page import write


def main(names: list[str]) -> int:
    """Run these scenarios, or all."""
    unknown = set(names) - set(scenarios.ALL)
    if unknown:
        print(f"test-lab: there is no {', '.join(sorted(unknown))}; there are {', '.join(scenarios.ALL)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it ends, nothing of the lab is left
    signal.signal(signal.SIGINT, signal.default_int_handler)
    broken: list[str] = []
    for name in names or scenarios.ALL:
        with tempfile.TemporaryDirectory(prefix="prefork-lab-") as place:
            text, found = scenarios.ALL[name](Path(place, "lab"))
        write(name, text)
        broken += [f"{name}: {each}" for each in found]
    print("\n".join(broken) or "every promise held")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
