"""A server with limits, requests that break them, and the incidents that are kept of it."""

import json
import os
import threading
from typing import Any

from prefork.testing import Request, Server
from prefork.testing.client import Answer, Connection

MIB = 1 << 20
NEVER = {"limit_memory_soft": 0, "limit_memory_hard": 0, "limit_time_cpu": 0, "limit_time_real": 0}


def limited(**options: object) -> dict[str, object]:
    """Options for a server with these limits and no others."""
    return {**NEVER, **options}


def ask(server: Server, target: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to one request over a new connection."""
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(Request(target, method, headers={"Accept": "application/json", **headers}))


def asking(server: Server, *targets: str) -> list[int]:
    """The statuses of requests that are sent at the same time."""
    statuses: list[int] = []
    clients = [threading.Thread(target=lambda target=target: statuses.append(ask(server, target).status)) for target in targets]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    return statuses


def incidents(server: Server) -> list[dict[str, Any]]:
    """All that are kept."""
    with open(os.path.join(server.data_dir, "incidents.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def incident(server: Server, name: str) -> dict[str, Any]:
    """The one of this name, once it is kept."""
    server.wait_for("incident_recorded", incident=name)
    (found,) = [each for each in incidents(server) if each["id"] == name]
    return found


def failed(server: Server, target: str, status: int, method: str = "GET") -> dict[str, Any]:
    """The incident of a request that fails with this status."""
    answer = ask(server, target, method)
    assert answer.status == status, answer
    said = json.loads(answer.body)
    assert set(said) == {"status", "error", "detail", "request_id", "incident"}
    found = incident(server, said["incident"])
    assert (found["status"], found["request"]["id"], found["request"]["method"]) == (status, said["request_id"], method)
    assert answer.headers.get("retry-after") == ("5" if status == 503 else None)
    return found
