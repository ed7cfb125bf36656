"""An application that does as much as it is told to: /?cpu=SECONDS&io=SECONDS.

Half of the processor time comes before the waiting and half behind it. The answer says when it began (X-Begun, monotonic
seconds), so that a client on the same machine knows how long its request waited before.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs

LOOPS = 500  # between two looks at the clock: about 20 µs


def compute(seconds: float) -> None:
    """Use so much processor time, however long that takes."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for number in range(LOOPS):
            number * number


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """One request."""
    begun = time.monotonic()
    query = parse_qs(environ["QUERY_STRING"])
    cpu, io = (float(query.get(name, ["0"])[0]) for name in ("cpu", "io"))
    compute(cpu / 2)
    if io:
        time.sleep(io)
    compute(cpu / 2)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6"), ("X-Begun", f"{begun:.6f}")])
    return [b"Hello\n"]
