"""What is to be told is told in order, again and again, and forgotten at last."""

from typing import Any

import pytest

from prefork.instances import notices
from prefork.instances.alerts import Alert
from prefork.instances.database import Database
from prefork.instances.notices import LONGEST, PATIENCE, Undeliverable, Way, deliver, queue, wait

EMAIL, WEBHOOK = Way("email", "a@example.com"), Way("webhook")


class Receiver:
    """Takes what it is sent, unless it is out of order."""

    def __init__(self) -> None:
        self.broken = False
        self.taken: list[str] = []

    def send(self, number: int, told: dict[str, Any]) -> None:
        if self.broken:
            raise Undeliverable("the line is cut")
        self.taken.append(f"{number} {told['title']}")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def left(db: Database) -> int:
    return len(db.rows("SELECT id FROM notices"))


def test_what_is_taken_is_gone(db: Database, receiver: Receiver) -> None:
    queue(db, "default", [EMAIL], {"title": "first"}, 0.0)
    assert deliver(db, "default", {EMAIL: receiver.send}, 0.0) == []
    queue(db, "default", [EMAIL], {"title": "second"}, 1.0)
    deliver(db, "default", {EMAIL: receiver.send}, 1.0)
    deliver(db, "default", {EMAIL: receiver.send}, 2.0)
    assert receiver.taken == ["1 first", "2 second"], "numbers are never used again"
    assert left(db) == 0


def test_nobody_hears_of_an_end_before_its_beginning(db: Database, receiver: Receiver) -> None:
    receiver.broken = True
    queue(db, "default", [EMAIL], {"title": "begins"}, 0.0)
    (failure,) = deliver(db, "default", {EMAIL: receiver.send}, 0.0)
    assert failure == ("email to a@example.com", "begins", "the line is cut")
    queue(db, "default", [EMAIL], {"title": "ends"}, 5.0)
    receiver.broken = False
    assert deliver(db, "default", {EMAIL: receiver.send}, 9.0) == []
    assert receiver.taken == [], "not before its time"
    deliver(db, "default", {EMAIL: receiver.send}, 10.0)
    assert receiver.taken == ["1 begins", "2 ends"]


def test_a_way_that_fails_holds_up_no_other(db: Database, receiver: Receiver) -> None:
    other = Receiver()
    other.broken = True
    queue(db, "default", [EMAIL, WEBHOOK], {"title": "both"}, 0.0)
    deliver(db, "default", {EMAIL: receiver.send, WEBHOOK: other.send}, 0.0)
    assert (len(receiver.taken), len(other.taken), left(db)) == (1, 0, 1)


def test_attempts_become_rare_and_end(db: Database, receiver: Receiver) -> None:
    assert [wait(attempts) for attempts in (1, 2, 3, 9, 10, 99)] == [10, 20, 40, 2560, LONGEST, LONGEST]
    receiver.broken = True
    queue(db, "default", [EMAIL], {"title": "late"}, 0.0)
    now, failures = 0.0, []
    while left(db):
        failures += deliver(db, "default", {EMAIL: receiver.send}, now)
        now += 10.0
    assert PATIENCE <= now <= PATIENCE + LONGEST + 10
    assert {failure.reason for failure in failures[:-1]} == {"the line is cut"}
    assert failures[-1].reason == "the line is cut; it is given up after a day"
    assert 30 < len(failures) < 40


def test_a_clock_that_is_set_back_puts_off_no_attempt(db: Database, receiver: Receiver) -> None:
    receiver.broken = True
    queue(db, "default", [EMAIL], {"title": "late"}, 86_400.0)
    assert len(deliver(db, "default", {EMAIL: receiver.send}, 86_400.0)) == 1
    receiver.broken = False
    deliver(db, "default", {EMAIL: receiver.send}, 100.0)
    assert receiver.taken == ["1 late"]


def test_a_way_that_is_no_longer_wanted_is_forgotten(db: Database, receiver: Receiver) -> None:
    queue(db, "default", [EMAIL, WEBHOOK], {"title": "both"}, 0.0)
    deliver(db, "default", {EMAIL: receiver.send}, 0.0)
    assert left(db) == 0


def test_what_is_told_says_everything_of_the_alert() -> None:
    alert = Alert("default", "shedding", "", "7 requests were refused", "raised", 1.0, 2.0, raised=2.0, id=5)
    told = notices.content(alert, "shop")
    assert (told["event"], told["level"], told["title"], told["name"]) == ("raised", "critical", "requests are refused", "shop")
    over = Alert("default", "shedding", "", "7 requests were refused", "clearing", 1.0, 2.0, raised=2.0, over=9.0, id=5)
    assert (notices.content(over, "shop")["event"], notices.content(over, "shop")["over"]) == ("over", 9.0)
