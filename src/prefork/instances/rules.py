"""What is worth waking somebody for: the rules, and what each of them sees in a picture of an instance. Pure.

A rule says how long it has to be true before anybody is told; `alerts.py` keeps that time. Its sentence has the numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.instances import blame
from prefork.usage.levels import CRITICAL, HIGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prefork.incidents import Incident
    from prefork.usage.sample import Sample

FULL = 90.0  # per cent of a disk, or of a database's connections
OVERDUE = 300.0  # seconds after which a job that has not begun is missed
PERIOD = 600.0  # seconds in which incidents are counted


class Picture(NamedTuple):
    """An instance as it is at `now` (seconds since 1970).

    `minute` is what it has done lately; `status` its latest word, None where it has not answered, for the reason in `silent`.
    `incidents` are those of the last ten minutes, `most_incidents` how many of them are too many; `jobs` are rows as `prefork jobs
    list` shows them. What is None is not known, and nothing follows from it. `ended` is how a server that the console runs
    has ended in that time, and "" where it has not.
    """

    now: float
    minute: Sample | None = None
    status: Mapping[str, Any] | None = None
    silent: str = ""
    incidents: Sequence[Incident] = ()
    most_incidents: int = 5
    jobs: Sequence[Mapping[str, Any]] | None = None
    ended: str | None = None


class Condition(NamedTuple):
    """What a rule has found: `subject` tells apart what it can find more than once, `text` is a sentence without a full stop."""

    rule: str
    subject: str
    text: str


class Rule(NamedTuple):
    """`after` is for how many seconds it has to hold before it is told, `title` what it is about in a few words.

    `sight` is the part of a picture that it looks at. While the rule `unless` is an alert already, this one is none.
    """

    level: str
    after: float
    title: str
    find: Callable[[Picture], Iterator[tuple[str, str]]]
    sight: str
    unless: str = ""


def busy(above: float, picture: Picture) -> Iterator[tuple[str, str]]:
    """The workers' usage, in flight where that is known."""
    if picture.minute is None:
        return
    measure = picture.minute.cpu if picture.minute.in_flight is None else picture.minute.in_flight
    if measure is not None and measure > above:
        waited = picture.minute.told()["wait"]["p95"]
        more = "" if waited is None else f"; 95 % of requests waited for no longer than {waited * 1000:.0f} ms"
        yield "", f"{measure:.0f} % of {picture.minute.configured} workers were busy in the last minute{more}"


def high(picture: Picture) -> Iterator[tuple[str, str]]:
    """High pressure: above 80 %."""
    yield from busy(80.0, picture)


def critical(picture: Picture) -> Iterator[tuple[str, str]]:
    """Critical: above 95 %."""
    yield from busy(95.0, picture)


def unreachable(picture: Picture) -> Iterator[tuple[str, str]]:
    """A server that does not answer."""
    if picture.silent:
        yield "", picture.silent


def ended(picture: Picture) -> Iterator[tuple[str, str]]:
    """A server that the console runs, and that nobody has stopped."""
    if picture.ended:
        yield "", picture.ended


def crash_loop(picture: Picture) -> Iterator[tuple[str, str]]:
    """Workers, or code, that do not get ready."""
    loop = picture.status["crash_loop"] if picture.status else None
    if loop:
        yield "", f"starts have failed {loop['failures']} times in a row, the first for {blame.crash_loop(loop['traceback'])}"


def incidents(picture: Picture) -> Iterator[tuple[str, str]]:
    """Many incidents."""
    found = picture.incidents
    if len(found) >= picture.most_incidents:
        said = f"{len(found)} incidents in {PERIOD / 60:.0f} minutes, the last one {found[-1].id}: {found[-1].reason}"
        worst = blame.incidents(found)
        yield "", f"{said}; {worst}" if worst else said


def shedding(picture: Picture) -> Iterator[tuple[str, str]]:
    """Requests that were sent away because too many waited. Those that could not be read are their senders' affair."""
    if picture.minute and picture.minute.shed:
        waited = f"; up to {picture.minute.queued} were seen waiting" if picture.minute.queued else ""
        yield "", f"{picture.minute.shed} requests were refused in the last minute, because too many waited{waited}"


def job_failing(picture: Picture) -> Iterator[tuple[str, str]]:
    """Jobs that fail, and those that are not tried any more."""
    for job in picture.jobs or ():
        if job["present"] and job["failures"]:
            end = f": {job['remark']}" if not job["active"] and job["remark"] else ""
            yield job["name"], f"job {job['name']} has failed {job['failures']} times in a row{end}"


def job_missed(picture: Picture) -> Iterator[tuple[str, str]]:
    """Jobs that should have begun. What no node has any more is due no more."""
    now = datetime.fromtimestamp(picture.now, UTC)
    for job in picture.jobs or ():
        due = job["due_at"]
        wanted = job["present"] and job["active"] and due and not job["running"]
        if wanted and (late := (now - due).total_seconds()) > OVERDUE:
            at = f"{due.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            yield job["name"], f"job {job['name']} should have begun {late / 60:.0f} minutes ago, at {at}"


def database(picture: Picture) -> Iterator[tuple[str, str]]:
    """A database that soon takes no more connections."""
    share = picture.minute.database if picture.minute else None
    if share is not None and share > FULL:
        yield "", f"{share:.0f} % of the connections that the database allows are taken"


def disk(picture: Picture) -> Iterator[tuple[str, str]]:
    """A disk that is nearly full."""
    share = picture.minute.disk if picture.minute else None
    if share is not None and share > FULL:
        yield "", f"the disk of data_dir is {share:.0f} % full"


RULES = {
    "usage": Rule(HIGH.name, 600, "usage is above 80 %", high, "minute", unless="critical"),
    "critical": Rule(CRITICAL.name, 120, "usage is above 95 %", critical, "minute"),
    "unreachable": Rule(CRITICAL.name, 60, "the server does not answer", unreachable, "now", unless="ended"),
    "ended": Rule(CRITICAL.name, 0, "the server has ended", ended, "ended"),
    "crash_loop": Rule(CRITICAL.name, 0, "workers do not get ready", crash_loop, "status"),
    "incidents": Rule("warning", 0, "many incidents", incidents, "now"),
    "shedding": Rule(CRITICAL.name, 0, "requests are refused", shedding, "minute"),
    "job_failing": Rule("warning", 0, "a job fails", job_failing, "jobs"),
    "job_missed": Rule("warning", 0, "a job was missed", job_missed, "jobs"),
    "database": Rule("warning", 60, "the database's connections run out", database, "minute"),
    "disk": Rule("warning", 60, "the disk is nearly full", disk, "minute"),
}


def conditions(picture: Picture) -> list[Condition]:
    """All that the rules find."""
    return [Condition(name, *found) for name, rule in RULES.items() for found in rule.find(picture)]


def judged(picture: Picture) -> set[str]:
    """The rules that have something to look at: of the others neither can be said that they hold nor that they do not."""
    return {name for name, rule in RULES.items() if getattr(picture, rule.sight) is not None}
