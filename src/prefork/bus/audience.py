"""Pure: who listens to what, how far each has heard, and what a page of messages means for whom.

Most are at the `head`, where the hub reads on for all of them at once. Who comes is *behind*, and hears nothing from the head
before it has caught up. A page is for those only who were there when it was asked for: it has none of the channels of who came
since. So each hears every message of its channels once, in the order of positions.
"""

from __future__ import annotations

import itertools
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from prefork.store.bus import Message, Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS = ""  # the channel of what the bus itself has to say, of which nobody else can publish
LOST = b'{"lost": true}'  # what came before this position is not kept any more, and was missed
HERE = b"null"  # there was nothing before this position: from here one can go on


class Subscriber(Protocol):
    """Somebody who listens."""

    def deliver(self, messages: Sequence[Message]) -> None:
        """Take what is new, in order. Called in the loop; must not wait."""


Deliveries = dict[Subscriber, "Sequence[Message]"]


class Seat:
    """Somebody's place: nothing of `channels` is to come up to `position`. `settled`: it has been at the head."""

    def __init__(self, subscriber: Subscriber, channels: frozenset[str], position: int) -> None:
        self.subscriber = subscriber
        self.channels = channels
        self.position = position
        self.settled = False


class Audience:
    """`head` is up to where those have heard who are not `behind`; None before the hub knows."""

    def __init__(self) -> None:
        self.head: int | None = None
        self.seats: dict[Subscriber, Seat] = {}
        self.channels: dict[str, dict[Seat, None]] = {}
        self.behind: dict[Seat, None] = {}
        self.asked: set[Seat] = set()  # those of them whom the next page is for

    def enter(self, subscriber: Subscriber, channels: frozenset[str], position: int) -> None:
        """Have somebody listen from a position on, or to other channels than before."""
        self.leave(subscriber)
        seat = self.seats[subscriber] = Seat(subscriber, channels, position)
        for channel in channels:
            self.channels.setdefault(channel, {})[seat] = None
        self.behind[seat] = None

    def leave(self, subscriber: Subscriber) -> None:
        """Let somebody go, if it is there."""
        seat = self.seats.pop(subscriber, None)
        if seat is None:
            return
        self.behind.pop(seat, None)
        self.asked.discard(seat)
        for channel in seat.channels:
            del self.channels[channel][seat]
            if not self.channels[channel]:
                del self.channels[channel]

    def position(self, subscriber: Subscriber) -> int | None:
        """Up to where somebody has heard who is here; the head for others."""
        seat = self.seats.get(subscriber)
        if seat is None:
            return self.head
        return seat.position if seat in self.behind or self.head is None else max(seat.position, self.head)

    def slowest(self) -> int:
        """Up to where everybody has heard who listens. Who has come with a position of its own gets what is kept."""
        assert self.head is not None
        return min([self.head, *(seat.position for seat in self.behind if seat.settled)])

    def doubt(self) -> None:
        """Have everybody catch up, each from where it is: the database may be another one than before."""
        assert self.head is not None
        for seat in self._there():
            seat.position = max(seat.position, self.head)
            self.behind[seat] = None

    def ask(self) -> tuple[set[int], set[str]]:
        """Up to where some who are behind have heard, and which channels: what the next page to catch up with is about.

        It begins at the first of them, and is for all who are as far as that: who reads a long history holds nobody up.
        """
        first = next(iter(self.behind))
        self.asked = {seat for seat in self.behind if seat.position >= first.position}
        self.behind[first] = self.behind.pop(first)  # to the end of the line
        return {seat.position for seat in self.asked}, set().union(*(seat.channels for seat in self.asked))

    def hear(self, page: Page) -> Deliveries:
        """What a page that begins at the head brings to those who are there."""
        assert self.head is not None
        losers = [each for each in self._there() if each.position <= self.head] if self.head in page.lost else []
        for seat in losers:
            seat.position = self.head
        found = self._spread(page, losers, late=False)
        self.head = reached(self.head, page)
        return found

    def catch_up(self, page: Page) -> Deliveries:
        """What the page that was asked for brings to those who are behind; who comes to the head is so no more."""
        assert self.head is not None
        found = self._spread(page, [seat for seat in self.asked if seat.position in page.lost], late=True)
        for seat in self.asked:
            seat.position = reached(seat.position, page)
            if seat.position >= self.head:
                seat.settled = True
                del self.behind[seat]
        return found

    def remind(self) -> Deliveries:
        """Tell everybody how far it is: who hears of nothing for long does not come back with a position that is forgotten."""
        assert self.head is not None
        mark = [Message(self.head, OURS, HERE)]
        return {seat.subscriber: mark for seat in self._there()}

    def _there(self) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat not in self.behind]

    def _spread(self, page: Page, losers: Iterable[Seat], *, late: bool) -> Deliveries:
        """The messages of a page for each seat, of those who asked or of those at the head; losers are told first.

        Those of a channel are one list, whoever hears them: a list for each of thousands would be objects enough to have all that
        this process holds looked through for garbage, again and again.
        """
        found: Deliveries = {}
        for seat in losers:
            seat.position = page.lost[seat.position]
            found[seat.subscriber] = [Message(seat.position, OURS, LOST)]
        for channel, messages in by_channel(page.messages).items():
            for seat in self.channels.get(channel, ()):
                if (seat in self.asked if late else seat not in self.behind) and (new := after(seat.position, messages)):
                    earlier = found.get(seat.subscriber)
                    found[seat.subscriber] = in_order(earlier, new) if earlier else new
        return found


def by_channel(messages: Iterable[Message]) -> dict[str, list[Message]]:
    """Messages of each channel, in the order that they came in."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.channel, []).append(message)
    return found


def after(position: int, messages: Sequence[Message]) -> Sequence[Message]:
    """Those of messages, which are in the order of positions, that are behind one: mostly all, and then the very same."""
    if position < messages[0].position:
        return messages
    return [message for message in messages if message.position > position]


def in_order(*several: Sequence[Message]) -> list[Message]:
    """Messages of several channels, in the order of their positions."""
    return sorted(itertools.chain(*several), key=attrgetter("position"))


def reached(position: int, page: Page) -> int:
    """Up to where one has heard with a page, who had heard up to a position."""
    return max(page.lost.get(position, position), page.until)
