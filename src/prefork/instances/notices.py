"""What people are to be told of alerts, until they have been: in order on each way, again and again when it does not get through.

A notice is kept before it is sent and gone after it has been: a console that dies between tells it twice, rather than not at all.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prefork.instances.alerts import Alert
    from prefork.instances.database import Database

    Content = dict[str, Any]
    Sender = Callable[[int, Content], None]  # gets a notice's number and content; raises Undeliverable

FIRST, LONGEST = 10.0, 3600.0  # seconds until the second attempt, and at the most until the next one
PATIENCE = 86_400.0  # seconds after which nobody wants to know any more


class Way(NamedTuple):
    """On which somebody is told: `email` to a recipient, or the `webhook`."""

    kind: str
    recipient: str = ""

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}" if self.recipient else self.kind


class Undeliverable(Exception):
    """It did not get through this time; the sentence says why."""


class Failure(NamedTuple):
    """An attempt that failed."""

    way: str
    title: str
    reason: str


def content(alert: Alert, name: str) -> Content:
    """What is told of an alert that is raised, or over, of the instance of this name. Times are seconds since 1970."""
    return {
        "alert": alert.id,
        "event": "raised" if alert.over is None else "over",
        "instance": alert.instance,
        "name": name,
        "node": platform.node(),
        "rule": alert.rule,
        "subject": alert.subject,
        "level": alert.level,
        "title": alert.title,
        "text": alert.text,
        "began": alert.began,
        "raised": alert.raised,
        "over": alert.over,
    }


def queue(db: Database, instance: str, ways: Iterable[Way], told: Content, now: float) -> None:
    """Have it told on each way."""
    for way in ways:
        db.change(
            "INSERT INTO notices (instance_id, way, recipient, content, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?)",
            *(instance, *way, json.dumps(told), now, now),
        )


def deliver(db: Database, instance: str, senders: Mapping[Way, Sender], now: float) -> list[Failure]:
    """Send what is due of an instance. Ways that are no longer wanted are forgotten."""
    failures = []
    for row in db.rows("SELECT DISTINCT way, recipient FROM notices WHERE instance_id = ?", instance):
        way = Way(*row)
        if sender := senders.get(way):
            failures += deliver_on(db, instance, way, sender, now)
        else:
            db.change("DELETE FROM notices WHERE instance_id = ? AND way = ? AND recipient = ?", instance, *way)
    return failures


def deliver_on(db: Database, instance: str, way: Way, sender: Sender, now: float) -> list[Failure]:
    """Send what is due on one way, up to the first that does not get through: nobody hears of an end before its beginning."""
    for row in db.rows("SELECT * FROM notices WHERE instance_id = ? AND way = ? AND recipient = ? ORDER BY id", instance, *way):
        if 0 < row["due_at"] - now <= LONGEST:  # one that is further away is from before the clock was set back
            break
        told = json.loads(row["content"])
        try:
            sender(row["id"], told)
        except Undeliverable as error:
            final = now - row["created_at"] >= PATIENCE
            put_off(db, row["id"], row["attempts"] + 1, str(error), now, final=final)
            return [Failure(str(way), told["title"], f"{error}; it is given up after a day" if final else str(error))]
        db.change("DELETE FROM notices WHERE id = ?", row["id"])
    return []


def put_off(db: Database, number: int, attempts: int, error: str, now: float, *, final: bool) -> None:
    """Try one again later, or, when that was the final attempt, never."""
    if final:
        db.change("DELETE FROM notices WHERE id = ?", number)
    else:
        values = (attempts, now + wait(attempts), error, number)
        db.change("UPDATE notices SET attempts = ?, due_at = ?, error = ? WHERE id = ?", *values)


def wait(attempts: int) -> float:
    """Seconds until the next attempt after so many."""
    return min(LONGEST, FIRST * 2.0 ** min(attempts - 1, 20))
