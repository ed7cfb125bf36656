"""How the server is, for balancers and monitors: the pages below /_prefork/. They are answered also when every worker is stuck."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from prefork.dispatcher.options import BROWSER
from prefork.dispatcher.replies import named, whole
from prefork.scoreboard import CONNECTIONS

if TYPE_CHECKING:
    from prefork.dispatcher.traffic import Traffic
    from prefork.http.head import Head

PLACE = b"/_prefork/"
FILES = f"{BROWSER[0]}/".encode()  # which are no pages of these
Said = tuple[int, dict[str, object]]


def asked(target: bytes) -> bool:
    """Whether a path is that of a page here."""
    return target.startswith(PLACE) and not target.startswith(FILES)


def health(traffic: Traffic, head: Head, request_id: str, *, keep: bool) -> tuple[int, bytes]:
    """Status and answer for a path below /_prefork/, asked by a trusted peer."""
    page = PAGES.get(head.target.partition(b"?")[0])
    status, said = page(traffic) if page else (404, {"status": "not found"})
    headers = [(b"Cache-Control", b"no-store"), named(request_id)]
    return status, whole(status, json.dumps(said).encode() + b"\n", b"application/json", head, keep, headers)


def brief(traffic: Traffic, head: Head, request_id: str, *, keep: bool) -> tuple[int, bytes]:
    """Status and answer for one of `health_paths`, which anybody may ask."""
    status, _ = readiness(traffic)
    body = b'{"status": "pass"}' if status == 200 else b'{"status": "fail"}'
    headers = [(b"Cache-Control", b"no-store"), named(request_id)]
    return status, whole(status, body, b"application/json", head, keep, headers)


def liveness(traffic: Traffic) -> Said:  # noqa: ARG001 - whoever answers lives
    """Whether the dispatcher turns."""
    return 200, {"status": "live"}


def readiness(traffic: Traffic) -> Said:
    """Whether a balancer should send requests here."""
    if traffic.draining:
        return 503, {"status": "stopping"}
    serving = traffic.workers if traffic.options.http_enable else traffic.live.keepers
    count = sum(1 for worker in serving.values() if not worker.retiring)
    return (200, {"status": "ready", "workers": count}) if count else (503, {"status": "no worker is ready"})


def saturation(traffic: Traffic) -> Said:
    """How busy the workers are; 503 when a request that came now, and that no declared lane fits, would have to wait."""
    now, queue = time.monotonic(), traffic.queue
    inside = sum(worker.inside() for worker in queue.idle)  # what they have found by themselves
    said: dict[str, object] = {
        "workers": len(traffic.workers),
        "busy": sum(1 for worker in traffic.workers.values() if worker.exchange) + inside,
        "idle": len(queue.idle) - inside,
        "queue": queue.length,
        "queue_size": queue.size,
        "oldest_wait": waited(queue.oldest(), now),
        "connections": traffic.counters[CONNECTIONS],
        "lanes": {name: lane(traffic, number, now) for number, name in enumerate(traffic.lanes.names)},
    }
    return (200 if queue.at_once(traffic.lanes.rest) and inside < len(queue.idle) else 503), said


def lane(traffic: Traffic, number: int, now: float) -> dict[str, object]:
    """How busy one lane is."""
    line = traffic.queue.lines[number]
    return {
        "waiting": line.length,
        "working": line.working + line.leaving,
        "saturated": not traffic.queue.at_once(number),
        "oldest_wait": waited(line.oldest(), now),
    }


def waited(since: float | None, now: float) -> float:
    """Seconds since somebody began to wait, 0 where nobody does."""
    return round(now - since, 3) if since is not None else 0


PAGES = {b"/_prefork/live": liveness, b"/_prefork/ready": readiness, b"/_prefork/saturation": saturation}
