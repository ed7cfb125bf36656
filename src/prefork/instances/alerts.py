"""From what the rules find, now and then, to what people are told: once when it begins, once when it is over. Pure, and its rows.

An alert is of one instance, rule and subject. What comes back while it is about to clear is the same alert, so that something which
flickers is one mail and not fifty.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from prefork.instances.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from prefork.instances.database import Database
    from prefork.instances.rules import Condition

    State = Literal["pending", "raised", "clearing"]
    Key = tuple[str, str]  # rule and subject

CALM = 300.0  # seconds in which it must not come back before it is over
KEPT = 180 * 86_400.0  # seconds for which past alerts are kept
# A newer release may have kept some by rules that this one does not have.
KNOWN = "SELECT * FROM alerts WHERE rule IN (SELECT value FROM json_each(?))"

# What follows from what is seen: (state, whether it holds) → state. Without a state nothing is wrong. The steps from pending to
# raised, and from clearing to none, are taken when their time has come.
NEXT: dict[tuple[State | None, bool], State | None] = {
    (None, True): "pending",
    (None, False): None,
    ("pending", True): "pending",
    ("pending", False): None,
    ("raised", True): "raised",
    ("raised", False): "clearing",
    ("clearing", True): "raised",
    ("clearing", False): "clearing",
}


@dataclass(frozen=True)
class Alert:
    """`began` is when it was first seen, `changed` when it came into this state, `raised` and `over` when people were told.

    `text` is what was found when it was raised.
    """

    instance: str
    rule: str
    subject: str
    text: str
    state: State
    began: float
    changed: float
    raised: float | None = None
    over: float | None = None
    id: int | None = None

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.rule, self.subject

    @property
    def level(self) -> str:
        """How bad it is."""
        return RULES[self.rule].level

    @property
    def title(self) -> str:
        """What it is about in a few words."""
        return RULES[self.rule].title


class Step(NamedTuple):
    """What is the case now: alerts that go on, and those that people have to be told of, since they are raised or over."""

    alerts: list[Alert]
    raised: list[Alert]
    over: list[Alert]


def advance(instance: str, alerts: Iterable[Alert], found: Iterable[Condition], judged: Collection[str], now: float) -> Step:
    """The alerts of one instance after another look at it. Those of rules that could not be `judged` stay as they are."""
    had = {alert.key: known(alert, now) for alert in alerts}
    holding = {(condition.rule, condition.subject): condition for condition in found}
    step = Step([alert for alert in had.values() if alert.rule not in judged], [], [])
    loud = {alert.rule for alert in had.values() if alert.state == "raised"}
    for key in [key for key in {**had, **holding} if key[0] in judged]:
        alert = moved(instance, had.get(key), holding.get(key), key, now)
        if alert is None:
            continue
        if alert.state == "pending" and now - alert.began >= RULES[alert.rule].after and RULES[alert.rule].unless not in loud:
            alert = replace(alert, state="raised", changed=now, raised=now)
            step.raised.append(alert)
        if alert.state == "clearing" and now - alert.changed >= CALM:
            step.over.append(replace(alert, over=now))
        else:
            step.alerts.append(alert)
    return step


def known(alert: Alert, now: float) -> Alert:
    """An alert as this clock has it: what is later than now was seen before it was set back, and lasts from now on."""
    if max(alert.began, alert.changed) <= now:
        return alert
    return replace(alert, began=min(alert.began, now), changed=min(alert.changed, now))


def moved(instance: str, alert: Alert | None, condition: Condition | None, key: Key, now: float) -> Alert | None:
    """An alert in the state that follows."""
    state = NEXT[alert.state if alert else None, condition is not None]
    if state is None:
        return None
    if alert is None or alert.state == "pending":
        assert condition
        return Alert(instance, *key, condition.text, state, alert.began if alert else now, now)
    return replace(alert, state=state, changed=alert.changed if state == alert.state else now)


# Their rows: what has been raised outlives the console's process, what is pending does not.


def keep(db: Database, alert: Alert) -> Alert:
    """Keep one that is raised; returns it with its id."""
    row = (alert.instance, alert.rule, alert.subject, alert.level, alert.text, alert.state)
    times = (alert.began, alert.changed, alert.raised, alert.over)
    if alert.id is None:
        made = db.change(
            "INSERT INTO alerts (instance_id, rule, subject, level, text, state, began_at, changed_at, raised_at, over_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *row,
            *times,
        )
        return replace(alert, id=made.lastrowid)
    db.change(
        "UPDATE alerts SET state = ?, changed_at = ?, over_at = ? WHERE id = ?",
        *(alert.state, alert.changed, alert.over, alert.id),
    )
    return alert


def current(db: Database, instance: str) -> list[Alert]:
    """Those of an instance that are not over."""
    found = db.rows(f"{KNOWN} AND instance_id = ? AND over_at IS NULL ORDER BY id", json.dumps([*RULES]), instance)
    return [read(row) for row in found]


def past(db: Database, instance: str, limit: int = 100, before: int | None = None) -> list[Alert]:
    """Those of an instance that are over, the latest first; `before` is the id of the last one that was seen."""
    found = db.rows(
        f"{KNOWN} AND instance_id = ? AND over_at IS NOT NULL AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?",
        *(json.dumps([*RULES]), instance, before, before, limit),
    )
    return [read(row) for row in found]


def forget(db: Database, now: float) -> None:
    """Forget those that have long been over."""
    db.change("DELETE FROM alerts WHERE over_at < ?", now - KEPT)


def read(row: Any) -> Alert:
    """An alert from its row."""
    names = {"instance": "instance_id", "began": "began_at", "changed": "changed_at", "raised": "raised_at", "over": "over_at"}
    fields = ("instance", "rule", "subject", "text", "state", "began", "changed", "raised", "over", "id")
    return Alert(*(row[names.get(field, field)] for field in fields))
