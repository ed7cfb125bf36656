"""What went wrong: the violent ends of workers, and what is or was not as it should be."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from prefork.console.models.envelope import Id, Model


class Alert(Model):
    """Something that is, or was, wrong with an instance; `over` is null while it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 7,
                    "instance": "default",
                    "rule": "shedding",
                    "subject": "",
                    "level": "critical",
                    "title": "requests are refused",
                    "text": "17 requests were refused in the last minute, because too many waited; 1024 waited at the end of it",
                    "began": 1790035200.0,
                    "raised": 1790035200.0,
                    "over": None,
                }
            ]
        }
    )

    id: int
    instance: Id
    rule: str
    subject: str
    level: str
    title: str
    text: str
    began: float
    raised: float
    over: float | None


class Incident(Model):
    """What is kept of a worker's violent end; the list leaves out stacks, memory curve, processes and the requests beside."""

    id: str
    time: float
    node: str
    worker: str
    pool: str
    pid: int
    generation: int
    cause: str
    reason: str
    advice: str
    status: int | None = None
    request: dict[str, Any] | None = None
    job: dict[str, Any] | None = None
    elapsed: float | None = None
    cpu: float | None = None
    memory: int | None = None
    curve: list[tuple[float, int]] | None = None
    children: list[dict[str, Any]] | None = None
    stacks: str | None = None
    requests: list[dict[str, Any]] | None = None
