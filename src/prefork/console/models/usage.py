"""How busy workers are and were, and where their time goes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from prefork.console.models.envelope import Model, example


class Share(Model):
    """So many of the configured workers are busy, measured for so many seconds."""

    busy: int
    configured: int
    percent: float
    seconds: float
    level: str
    recommendation: str


class WorkerShare(Model):
    """A worker in the window of 0.5 s: its processor time, and whether that counts as busy."""

    pid: int
    cpu: float
    busy: bool


class Advice(Model):
    """A recommendation, and the figures that it rests on with what it gives up."""

    recommendation: str
    reason: str


class Handing(Model):
    """What it costs to hand requests over, and what would help."""

    on: bool = Field(description="Whether connections may be lent to workers (`lend_connections`).")
    obstacles: list[str] = Field(description="Why they are not, or would not be.")
    requests: float = Field(description="That workers answered, a second.")
    lent: float | None = Field(description="The part of them that workers have read themselves.")
    service: float | None = Field(description="Seconds that half of them did not exceed.")
    dispatcher: float = Field(description="Processors that the dispatcher used.")
    workers: float = Field(description="Processors that HTTP workers used.")
    advice: Advice | None


HALF: dict[str, JsonValue] = {
    "busy": 1,
    "configured": 2,
    "percent": 50.0,
    "seconds": 0.5,
    "level": "normal",
    "recommendation": "no action needed",
}


class Spread(Model):
    """Seconds that half of the requests, 95 % and 99 % of them did not exceed; null where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


class PointMemory(Model):
    """The memory of workers; that of each one is known for the last hour only."""

    mean: float | None
    most: int | None
    workers: dict[str, int]


class PointHealth(Model):
    """The machine; `pressure` is the share of the time in which some process waited."""

    cpu: float | None
    memory: float | None
    swap: float | None
    disk: float | None
    database: float | None
    cgroup: float | None
    pressure: dict[str, float | None]


class Point(Model):
    """What an instance did in a span of time. Averages are over that time, percentiles of all its requests."""

    at: float
    seconds: float = Field(description="How much of the span is known.")
    configured: int
    in_flight: float | None
    in_flight_most: float | None
    cpu: float | None
    wait: Spread
    service: Spread
    requests: dict[str, int] = Field(description="Answers by class, `2xx` to `5xx`, and how others ended.")
    queued: int
    connections: int
    websockets: int
    jobs: int
    incidents: int
    memory: PointMemory
    health: PointHealth


class Mark(Model):
    """Something that was done to an instance, or has befallen it."""

    at: float
    kind: Literal["start", "reload", "scaling", "incident"]
    text: str


class UsageHistory(Model):
    """A chart: its points, `resolution` seconds apart, and the marks on its axis."""

    range: str
    resolution: float
    points: list[Point]
    marks: list[Mark]


class WorkerUsage(Model):
    """How busy the workers are and were, by processor time, and by requests in flight where the server knows them."""

    model_config = example(
        configured=2,
        in_flight=HALF,
        cpu=HALF,
        level="normal",
        recommendation="no action needed",
        workers=[{"pid": 4711, "cpu": 0.31, "busy": True}],
        notes=[],
        handing={
            "on": False,
            "obstacles": [],
            "requests": 2140.0,
            "lent": 0.0,
            "service": 0.0003,
            "dispatcher": 0.17,
            "workers": 0.21,
            "advice": None,
        },
        history={"range": "24h", "resolution": 300.0, "points": [], "marks": []},
    )

    configured: int
    in_flight: Share | None
    cpu: Share
    level: str
    recommendation: str
    workers: list[WorkerShare]
    notes: list[str]
    handing: Handing | None = Field(description="Null where nothing is handed over, or nobody knows.")
    history: UsageHistory = Field(description="The time that `range` asks for.")


class Route(BaseModel):
    """What the requests of a route have cost since the server's start: seconds, bytes, and its share of all time of workers."""

    model_config = example(
        method="GET",
        path="/orders/{}",
        requests=812,
        errors=4,
        seconds=1543.0,
        cpu=310.5,
        bytes=9830400,
        queries=4872,
        sql=910.2,
        growth=0,
        share=0.41,
        tips=["59 % of its time is in the database: look at the 6 queries that each request makes"],
        wait={"p50": 0.0003, "p95": 0.004, "p99": 0.05},
        service={"p50": 1.9, "p95": 5.7, "p99": 9.5},
    )

    method: str
    path: str
    requests: int
    errors: int
    seconds: float
    cpu: float
    bytes: int
    queries: int
    sql: float
    growth: int
    share: float
    tips: list[str]
    wait: Spread
    service: Spread
