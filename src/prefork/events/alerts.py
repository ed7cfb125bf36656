"""What the console has told people, or could not."""

from __future__ import annotations

from prefork.events.event import Event


class AlertRaised(Event):
    """Something is wrong with an instance, by a rule of docs/alerts.md; said once."""

    instance: str
    rule: str
    text: str
    level = "warning"
    wording = "Alert {rule} of {instance}: {text}"


class AlertOver(Event):
    """What was wrong has not been seen for five minutes."""

    instance: str
    rule: str
    seconds: float
    text: str
    wording = "Alert {rule} of {instance} is over after {seconds} s: {text}"


class WatchFailed(Event):
    """A fault of the console's: something could not be measured or judged of an instance. It is tried again; said once."""

    instance: str
    reason: str
    traceback: str
    level = "error"
    wording = "Watching {instance} has failed, it goes on: {reason}"


class ClockSet(Event):
    """The machine's clock was set while the console ran. To one that is years ahead everything is old; said once each time."""

    seconds: float
    level = "warning"
    wording = "The clock was set by {seconds} s; nothing of the past is forgotten before it has gone evenly for an hour"


class AlertUntold(Event):
    """A notice of an alert did not get through. It is tried again, each time after twice as long, for a day."""

    instance: str
    way: str
    title: str
    reason: str
    level = "warning"
    wording = "Nobody could be told by {way} about {instance} ({title}): {reason}"
