"""The listening sockets: clients come in as long as there are descriptors for them, and nobody is lost by a pause or the end."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from prefork.dispatcher.door import Door, unmapped
from prefork.dispatcher.poller import Poller
from prefork.scoreboard import DISPATCHER

from .conftest import SCOREBOARD, WITHIN, Notes

if TYPE_CHECKING:
    from collections.abc import Iterator

PLENTY = 1 << 20  # descriptors


class Listener(socket.socket):
    """Counts how often it was asked for a connection."""

    asked = 0

    def _accept(self) -> tuple[int, object]:
        self.asked += 1
        return super()._accept()  # type: ignore[misc,no-any-return]


class Entrance:
    """A door with two listening sockets, and those who came in."""

    def __init__(self) -> None:
        self.listeners = [Listener(fileno=socket.create_server(("127.0.0.1", 0)).detach()) for _ in range(2)]
        for listener in self.listeners:
            listener.setblocking(False)
        self.addresses = [listener.getsockname() for listener in self.listeners]
        self.journal = Notes()
        self.poller = Poller(self.journal)
        self.admitted: list[socket.socket] = []
        self.ends: list[object] = []
        self.clients: list[socket.socket] = []
        self.door = Door(list(self.listeners), self.poller, self.journal, SCOREBOARD.slot(DISPATCHER), self.admit)
        self.door.highest = PLENTY

    def admit(self, client: socket.socket, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.admitted.append(client)
        self.ends.append((peer, local))

    def come(self, number: int = 0) -> socket.socket:
        """A client connects to one of the addresses."""
        client = socket.create_connection(self.addresses[number], WITHIN)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for end in [*self.admitted, *self.clients, *self.listeners]:
            end.close()
        self.poller.epoll.close()
        os.close(self.journal.sink.descriptor)


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    entrance = Entrance()
    yield entrance
    entrance.close()


def test_a_client_comes_in_with_the_addresses_of_both_ends(entrance: Entrance) -> None:
    client = entrance.come(1)
    entrance.poller.poll(WITHIN)
    assert entrance.ends == [(client.getsockname(), entrance.addresses[1])]


def test_all_who_wait_come_in_at_once_and_the_kernel_is_not_asked_for_another_one(entrance: Entrance) -> None:
    for _ in range(3):
        entrance.come()
    entrance.poller.poll(WITHIN)
    assert len(entrance.admitted) == entrance.listeners[0].asked == 3
    entrance.door.accept(entrance.listeners[0], 0)
    assert len(entrance.admitted) == 3, "nobody has come meanwhile"


def test_without_descriptors_clients_wait_until_there_are_some(entrance: Entrance) -> None:
    entrance.door.highest = 0
    entrance.come()
    entrance.poller.poll(WITHIN)
    assert len(entrance.admitted) == 1, "the one who took the last"
    assert entrance.journal.names() == ["accept_paused"]
    entrance.come()
    entrance.door.look()
    entrance.poller.poll(0.0)
    assert len(entrance.admitted) == 1
    entrance.door.highest = PLENTY
    entrance.door.look()
    entrance.poller.poll(WITHIN)
    assert len(entrance.admitted) == 2


def test_who_is_connected_when_it_closes_still_comes_in(entrance: Entrance) -> None:
    for number in (0, 1, 1):
        entrance.come(number)
    entrance.door.close()
    assert len(entrance.admitted) == 3
    with pytest.raises(ConnectionRefusedError):
        entrance.come()
    entrance.door.look()  # there is nothing to open again


def test_it_closes_also_when_the_last_descriptor_is_taken_meanwhile(entrance: Entrance) -> None:
    """One listener is closed already when the next one has no room: only those that are left can be paused."""
    entrance.come(1)
    entrance.door.highest = 0
    entrance.door.close()
    assert len(entrance.admitted) == 1
    assert all(listener.fileno() == -1 for listener in entrance.listeners)


@pytest.mark.parametrize(
    ("address", "shown"), [("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("192.0.2.1", "192.0.2.1")]
)
def test_an_address_of_the_old_kind_is_shown_as_such(address: str, shown: str) -> None:
    assert unmapped(address) == shown


def test_room_is_left_for_all_pairs_of_a_worker(entrance: Entrance) -> None:
    door = entrance.door
    door.limit = 1000
    for pairs, highest in ((0, 936), (128, 808), (900, 500)):
        door.leave_room(pairs)
        assert door.highest == highest
