"""What advice is made from, as the master tells it: the last requests, who served them on what, and what bounds the workers."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from prefork.config.machine import read_machine
from prefork.lanes import REST
from prefork.master.ceilings import ceilings, heaviest
from prefork.master.pools import HTTP
from prefork.master.status import concurrency, threads_of

if TYPE_CHECKING:
    from prefork.master.loop import Master


def recorded(master: Master) -> dict[str, Any]:
    """The answer of the `trace` command. `records` are those of `trace.Trace`, in base64; `kept` is how many there can be."""
    settings = master.settings
    lanes = [{"name": lane.name, "reserved": lane.reserved, "limit": lane.limit} for lane in settings.lanes]
    return {
        "records": b64encode(master.trace.read()).decode(),
        "kept": master.trace.size,
        "now": time.monotonic(),
        "workers": threads_of(master) or master.supplies[HTTP.name].count,
        "threads": threads_of(master),
        "concurrency": concurrency(master),
        "cpus": read_machine().cpus,
        "lanes": [*lanes, {"name": REST, "reserved": 0, "limit": None}],
        "queue_size": settings.queue_size,
        "queue_timeout": settings.queue_timeout,
        "wait_target": settings.wait_target,
        "memory": heaviest(master) or None,
        "bounds": [{"what": cap.what, "workers": cap.workers, "why": cap.why} for cap in ceilings(master)],
    }
