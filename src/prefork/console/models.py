"""What the API answers and takes. Times are seconds since 1970, durations seconds, sizes bytes, shares per cent."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

Item = TypeVar("Item")
Role = Literal["viewer", "operator", "administrator"]
AnyRole = Literal["none", "viewer", "operator", "administrator"]
Scope = Literal["metrics", "viewer", "operator", "administrator"]
LARGEST = (1 << 53) - 1  # what JSON's readers keep whole
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Password = Annotated[str, StringConstraints(min_length=12, max_length=1024)]


class Model(BaseModel):
    """What all have in common: no member that nobody knows."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["urn:prefork:problem:plan-limit"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the plan base allows 2 HTTP workers, not 3"])


class Page(Model, Generic[Item]):
    """A part of a list; `next` is the cursor of what follows, null at its end."""

    items: list[Item]
    next: int | None = None


class Instance(Model):
    """A server that the console knows, and how it is: `state` is `unreachable` where it does not answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "default",
                    "name": "shop",
                    "kind": "own",
                    "state": "running",
                    "application": "shop:app",
                    "version": "0.1.0",
                    "plan": "base",
                    "node": "web1",
                    "uptime": 3600.0,
                    "generation": 3,
                    "workers": {"wanted": 2, "ready": 2},
                    "role": "operator",
                }
            ]
        }
    )

    id: Id
    name: str
    kind: Literal["own", "local", "remote"]
    state: str
    application: str | None = None
    version: str | None = None
    plan: str | None = None
    node: str | None = None
    uptime: float | None = None
    generation: int | None = None
    workers: dict[str, int] | None = None
    role: AnyRole
    error: str | None = Field(None, description="Why it does not answer.")


class NewInstance(Model):
    """A server that the console shall know: here by its `data_dir`, elsewhere by `url` and `token` of the console there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": "shop-2", "name": "shop", "data_dir": "/var/lib/shop"},
                {"id": "shop-3", "name": "shop", "url": "https://web2.example:8071", "token": "prefork_7wXq2"},
            ]
        }
    )

    id: Id
    name: Name
    data_dir: Annotated[str, StringConstraints(max_length=4096, pattern=r"^/[^\x00-\x1f\x7f-\x9f]*$")] | None = None
    url: Annotated[str, StringConstraints(max_length=300)] | None = None
    token: Annotated[str, StringConstraints(max_length=200, pattern=r"^[\x21-\x7e]+$")] | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        """There is one way to it."""
        if (self.data_dir is None) == (self.url is None) or (self.url is None) != (self.token is None):
            raise ValueError("give the data_dir of a server on this machine, or url and token of the console on another")
        return self


class Renaming(Model):
    """Another name."""

    name: Name


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


class WorkerUsage(Model):
    """How busy the workers are and were, by processor time, and by requests in flight where the server knows them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "configured": 2,
                    "in_flight": HALF,
                    "cpu": HALF,
                    "level": "normal",
                    "recommendation": "no action needed",
                    "workers": [{"pid": 4711, "cpu": 0.31, "busy": True}],
                    "notes": [],
                    "history": {"range": "24h", "resolution": 300.0, "points": [], "marks": []},
                }
            ]
        }
    )

    configured: int
    in_flight: Share | None
    cpu: Share
    level: str
    recommendation: str
    workers: list[WorkerShare]
    notes: list[str]
    history: UsageHistory | None = Field(None, description="What `range` asks for.")


class Health(Model):
    """The server in a word, and its machine."""

    status: Literal["ok", "degraded", "unreachable"]
    reasons: list[str]
    machine: dict[str, Any]


class Worker(BaseModel):
    """A worker and what it is doing; `busy_for` counts from the beginning of its request or job."""

    name: str
    pool: str
    pid: int
    generation: int
    state: str
    requests: int
    age: float
    busy_for: float | None
    job: str | None
    memory: int | None


class Route(BaseModel):
    """What the requests of a route have cost since the server's start: seconds, bytes, and its share of all time of workers."""

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


class Stacks(Model):
    """What each thread of each worker is doing."""

    workers: list[dict[str, Any]]


class Setting(Model):
    """An option: its value, the file's text where it stands there, where the value comes from, what it means."""

    value: str
    text: str | None
    source: str
    help: str
    fixed: bool = Field(description="It comes from a flag or the environment, which count more than the file.")


class Settings(Model):
    """What Settings → Performance shows, and what the plan allows."""

    settings: dict[str, Setting]
    plan: str | None
    most_workers: int | None = Field(description="HTTP workers that the plan allows; null is any number.")


class SettingsPatch(Model):
    """Options and their new values, as the file has them; null brings the default back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"settings": {"workers": 4, "limit_memory_soft": "1G"}}]})

    settings: dict[str, Annotated[str, StringConstraints(max_length=100)] | int | float | None] = Field(min_length=1)


class Meaning(Model):
    """What a change would mean: options from and to, memory that workers may take, database connections, doubts."""

    changes: dict[str, tuple[str, str]]
    processes: int
    memory_needed: int
    memory_total: int | None
    connections_each: int
    connections_needed: int
    connections_allowed: int
    warnings: list[str]


class Change(Model):
    """A saving of settings, also while it is applied: then `progress` says how many workers have the new ones."""

    id: int
    at: float
    who: str
    options: dict[str, tuple[str | None, str | None]]
    state: Literal["running", "done", "rolled back", "failed"]
    message: str
    ended_at: float | None
    undoes: int | None
    progress: dict[str, Any] | None = None


class Reloaded(Model):
    """How a reload ended."""

    generation: int
    seconds: float
    restart_needed: list[str]


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


class Job(BaseModel):
    """A scheduled job, what it is doing and how it fared last."""

    model_config = ConfigDict(extra="allow")

    name: str
    schedule: str | None = None
    active: bool


class JobDetails(Model):
    """A job with what is being done and what was done of it."""

    job: Job
    running: list[dict[str, Any]]
    history: list[dict[str, Any]]


class Run(Model):
    """A run that is due."""

    job: str
    run: int


class Plan(Model):
    """A plan; null workers are any number."""

    name: str
    workers: int | None


class Me(Model):
    """Who asks."""

    name: str
    role: AnyRole | Literal["metrics"]
    grants: dict[str, Role]


class User(Model):
    """Somebody who may use the console."""

    id: int
    name: str
    role: AnyRole
    grants: dict[str, Role]
    created_at: float


class NewUser(Model):
    """Somebody more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "kim", "password": "correct horse battery", "role": "none", "grants": {"default": "viewer"}}]
        }
    )

    name: Name
    password: Password
    role: AnyRole
    grants: dict[Id, Role] = {}


class UserPatch(Model):
    """What shall be different about somebody."""

    role: AnyRole | None = None
    grants: dict[Id, Role] | None = None
    password: Password | None = None


class PasswordChange(Model):
    """One's own new password, and the old one to prove oneself."""

    old: Annotated[str, StringConstraints(max_length=1024)]
    new: Password


class Token(Model):
    """A token, without what it comes with."""

    id: int
    name: str
    scope: Scope
    created_at: float
    expires_at: float | None
    used_at: float | None


class NewToken(Model):
    """A token more; its rights are never more than those of who makes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "prometheus", "scope": "metrics", "lifetime": 31536000}]})

    name: Name
    scope: Scope
    lifetime: float | None = Field(None, gt=0, le=10 * 366 * 86400, description="Seconds; null is for ever.")


class MadeToken(Model):
    """What to come with: it is told this once."""

    id: int
    token: str


class AuditEntry(Model):
    """Who has changed what."""

    id: int
    at: float
    who: str
    client: str
    action: str
    instance: str | None
    details: dict[str, Any]
