"""What went wrong: the violent ends of workers, and what is or was not as it should be."""

from __future__ import annotations

from typing import Any

from prefork.console.models.envelope import Id, Model, example


class Alert(Model):
    """Something that is, or was, wrong with an instance; `over` is null while it is."""

    model_config = example(
        id=7,
        instance="default",
        rule="shedding",
        subject="",
        level="critical",
        title="requests are refused",
        text="17 requests were refused in the last minute, because too many waited; up to 1024 were seen waiting",
        began=1790035200.0,
        raised=1790035200.0,
        over=None,
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

    model_config = example(
        id="9ac1f07e",
        time=1790035200.0,
        node="web1",
        worker="http.2",
        pool="http",
        pid=3977,
        generation=3,
        cause="limit_memory_hard",
        reason="it had 331 MiB of its own, more than limit_memory_hard (320 MiB)",
        advice="raise the limit, or have it take less",
        status=503,
        request={
            "method": "GET",
            "target": "/reports/monthly",
            "client": "203.0.113.19",
            "id": "5f0c3a1e9d",
            "attempt": 1,
            "tag": "",
        },
        elapsed=4.81,
        cpu=4.2,
        memory=347078656,
    )

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
