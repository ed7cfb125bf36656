"""Who hears what: each message of one's channels once and in order, whatever one comes back with."""

import random

import pytest

from prefork.bus.audience import HERE, LOST, OURS, Audience
from prefork.store.bus import Message, Page


class Ear:
    """Somebody who listens."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def deliver(self, messages: list[Message]) -> None:
        self.heard += messages

    @property
    def positions(self) -> list[int]:
        return [message.position for message in self.heard]


class Table:
    """What the database has, and how it is read."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.floor = 0

    def publish(self, channel: str) -> None:
        self.messages.append(Message(self.head + 1, channel, b"1"))

    @property
    def head(self) -> int:
        return self.messages[-1].position if self.messages else self.floor

    def read(self, heard: set[int], channels: set[str], most: int = 3) -> Page:
        after = min(heard)
        found = [message for message in self.messages if message.position > after][:most]
        until = found[-1].position if found else min(after, self.head)
        lost = {place: self.there(place) for place in heard if self.there(place) != place}
        return Page([message for message in found if message.channel in channels], until, self.head, lost)

    def there(self, place: int) -> int:
        return max([self.floor, *(message.position for message in self.messages if message.position <= place)])


class Room:
    """An audience and the table that it hears of."""

    def __init__(self) -> None:
        self.table = Table()
        self.audience = Audience()
        self.audience.head = 0

    def hear(self) -> None:
        page = self.table.read({self.audience.head}, set(self.audience.channels))
        for subscriber, messages in self.audience.hear(page).items():
            subscriber.deliver(messages)

    def catch_up(self) -> None:
        page = self.table.read(*self.audience.ask())
        for subscriber, messages in self.audience.catch_up(page).items():
            subscriber.deliver(messages)

    def settle(self) -> None:
        while self.audience.behind:
            self.catch_up()
        while self.audience.head < self.table.head:
            self.hear()

    def enter(self, *channels: str, last: int = 0) -> Ear:
        ear = Ear()
        self.audience.enter(ear, frozenset(channels), last)
        return ear


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_message_reaches_those_of_its_channel(room: Room) -> None:
    one, other = room.enter("a", "b"), room.enter("c")
    room.settle()
    room.table.publish("a")
    room.table.publish("b")
    room.hear()
    assert (one.positions, other.positions) == ([1, 2], [])


def test_who_is_behind_catches_up_before_it_hears_anything_new(room: Room) -> None:
    for _ in range(5):
        room.table.publish("a")
    room.settle()
    late = room.enter("a", last=1)
    room.table.publish("a")
    room.hear()
    assert late.positions == []
    room.settle()
    assert late.positions == [2, 3, 4, 5, 6]


def test_who_is_ahead_of_a_hub_that_lags_hears_nothing_twice(room: Room) -> None:
    for _ in range(4):
        room.table.publish("a")
    ahead = room.enter("a", last=3)
    room.settle()
    assert ahead.positions == [4]


def test_a_page_is_for_those_who_were_there_when_it_was_asked_for(room: Room) -> None:
    room.table.publish("a")
    early = room.enter("a")
    ahead = room.table.read({room.audience.head}, set(room.audience.channels))
    behind = room.table.read(*room.audience.ask())
    meanwhile = room.enter("b")
    room.table.publish("b")
    assert [list(room.audience.hear(ahead)), list(room.audience.catch_up(behind))] == [[], [early]]
    room.settle()
    assert meanwhile.positions == [2]


def test_who_has_left_hears_nothing(room: Room) -> None:
    one, other = room.enter("a"), room.enter("a")
    late = room.enter("a", last=-1)
    for gone in (one, late):
        room.audience.leave(gone)
    room.audience.leave(Ear())
    room.table.publish("a")
    room.settle()
    assert (one.positions, late.positions, other.positions) == ([], [], [1])
    room.audience.leave(other)
    assert (room.audience.seats, room.audience.channels, room.audience.behind) == ({}, {}, {})


def test_who_changes_channels_goes_on_from_where_it_is(room: Room) -> None:
    one = room.enter("a")
    room.table.publish("a")
    room.settle()
    room.table.publish("b")
    assert room.audience.position(one) == 1
    room.audience.enter(one, frozenset({"b"}), 1)
    room.table.publish("a")
    room.settle()
    assert one.positions == [1, 2]


def test_who_comes_back_for_what_is_forgotten_is_told_so(room: Room) -> None:
    for _ in range(6):
        room.table.publish("a")
    room.settle()
    del room.table.messages[:4]
    room.table.floor = 4
    late, in_time = room.enter("a", last=2), room.enter("a", last=4)
    room.settle()
    assert late.heard[0] == Message(4, OURS, LOST)
    assert (late.positions[1:], in_time.positions) == ([5, 6], [5, 6])


def test_a_hub_that_was_away_for_too_long_says_so(room: Room) -> None:
    one = room.enter("a")
    room.settle()
    for _ in range(6):
        room.table.publish("a")
    del room.table.messages[:5]
    room.table.floor = 5
    room.settle()
    assert one.heard == [Message(5, OURS, LOST), Message(6, "a", b"1")]


def test_nothing_is_kept_at_all(room: Room) -> None:
    one = room.enter("a")
    room.settle()
    room.table.floor = 7
    room.settle()
    assert (one.heard, room.audience.head) == ([Message(7, OURS, LOST)], 7)


def test_a_history_that_a_failover_has_cut_off_is_told_to_those_who_have_heard_it(room: Room) -> None:
    one = room.enter("a")
    for _ in range(4):
        room.table.publish("a")
    room.settle()
    late = room.enter("a", last=4)
    del room.table.messages[2:]
    room.hear()
    back = room.enter("a", last=3)
    room.settle()
    room.table.publish("a")
    room.settle()
    assert one.positions == [1, 2, 3, 4, 2, 3]
    assert late.heard == back.heard == [Message(2, OURS, LOST), Message(3, "a", b"1")]


def test_a_history_that_was_cut_off_is_told_also_when_the_new_one_is_longer(room: Room) -> None:
    one = room.enter("a")
    for _ in range(4):
        room.table.publish("a")
    room.settle()
    late = room.enter("a", last=3)
    del room.table.messages[2:]
    room.table.messages.append(Message(1_000, "a", b"1"))
    room.settle()
    room.table.publish("a")
    room.settle()
    assert one.positions == [1, 2, 3, 4, 2, 1_000, 1_001]
    assert one.heard[4] == late.heard[0] == Message(2, OURS, LOST)
    assert late.positions == [2, 1_000, 1_001]


def test_who_is_ahead_of_the_hub_is_told_after_a_failover_where_it_was(room: Room) -> None:
    one = room.enter("a", last=2)
    for _ in range(2):
        room.table.publish("a")
    room.catch_up()
    del room.table.messages[1:]
    room.table.messages.append(Message(1_000, "a", b"1"))
    room.audience.doubt()
    room.settle()
    assert one.heard == [Message(1, OURS, LOST), Message(1_000, "a", b"1")]


def test_who_hears_of_nothing_is_reminded_of_how_far_it_is(room: Room) -> None:
    one = room.enter("quiet")
    room.settle()
    late = room.enter("quiet", last=-1)
    room.table.publish("a")
    room.hear()
    for subscriber, messages in room.audience.remind().items():
        subscriber.deliver(messages)
    assert (one.heard, late.heard) == ([Message(1, OURS, HERE)], [])


def test_the_slowest_is_known(room: Room) -> None:
    for _ in range(2):
        room.table.publish("a")
    room.enter("a")
    room.settle()
    assert room.audience.slowest() == 2
    room.audience.doubt()
    for _ in range(2):
        room.table.publish("a")
    room.hear()
    assert (room.audience.head, room.audience.slowest()) == (4, 2), "it was here, and has yet to hear this"


def test_who_comes_with_an_old_position_keeps_nothing(room: Room) -> None:
    """Anybody may, again and again: nothing would ever be forgotten."""
    for _ in range(20):
        room.table.publish("a")
    listens = room.enter("a")
    room.settle()
    room.enter("a", last=2)
    assert room.audience.slowest() == 20
    room.settle()
    assert len(listens.heard) == 20


def test_who_reads_a_long_history_holds_nobody_up(room: Room) -> None:
    """All who were behind waited until it had come to where they were; and somebody may begin anew whenever it has come far."""
    for _ in range(200):
        room.table.publish("a")
    room.audience.head = 200
    begins_anew = room.enter("b")
    came_back = room.enter("a", last=196)
    for turn in range(4):
        room.catch_up()
        if turn % 2:
            room.audience.enter(begins_anew, frozenset("b"), 0)
    assert came_back.positions == [197, 198, 199, 200]


@pytest.mark.parametrize("seed", range(20))
def test_everybody_hears_everything_of_its_channels_once_and_in_order(room: Room, seed: int) -> None:
    chance = random.Random(seed)
    ears: list[tuple[Ear, str, int]] = []  # with the channels of each, and from behind which position it listens
    for _ in range(300):
        step = chance.choice(["publish", "publish", "hear", "catch_up", "enter", "leave"])
        if step == "publish":
            room.table.publish(chance.choice("abc"))
        elif step == "hear":
            room.hear()
        elif step == "catch_up" and room.audience.behind:
            room.catch_up()
        elif step == "enter":
            channels, last = chance.choice(("a", "b", "c", "ab", "abc")), chance.randint(0, room.table.head)
            ears.append((room.enter(*channels, last=last), channels, last))
        elif step == "leave" and ears:
            gone, *_ = ears.pop(chance.randrange(len(ears)))
            room.audience.leave(gone)
    room.settle()
    for ear, channels, last in ears:
        assert ear.positions == [each.position for each in room.table.messages if each.channel in channels and each.position > last]


def test_all_who_listen_to_a_channel_are_given_the_same_list(room: Room) -> None:
    ears = [room.enter("a") for _ in range(3)]
    room.settle()
    room.table.publish("a")
    room.table.publish("b")
    found = room.audience.hear(room.table.read({0}, {"a", "b"}))
    assert list(found) == ears
    assert len({id(messages) for messages in found.values()}) == 1
