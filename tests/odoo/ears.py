"""Somebody's browser on Odoo's bus, as the version has it: a WebSocket, or up to 15 long polls."""

import json
from types import TracebackType
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .person import Person

WITHIN = 15.0  # seconds


class Ear:
    """Listens to the channel `probe` for a person, at `port`. `last` is the id of the last notification that was heard."""

    def __init__(self, person: Person, port: int = 0, last: int = 0) -> None:
        self.person, self.port, self.last = person, port or person.port, last

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Connect, if it is connected at all."""

    def close(self) -> None:
        """End the connection."""

    def listen(self) -> list[dict[str, Any]]:
        """The next notifications."""
        raise NotImplementedError

    def hear(self, *texts: str) -> None:
        """Wait until all of these have been heard, and nothing else. What others say is passed over."""
        wanted = list(texts)
        while wanted:
            for notification in self.listen():
                self.last = max(self.last, notification["id"])
                message = notification["message"]
                if message["type"] == "probe":
                    assert message["payload"]["text"] in wanted, f"{message} came out of turn or twice"
                    wanted.remove(message["payload"]["text"])


class Socket(Ear):
    """From 16 on."""

    wire: ClientConnection

    def open(self) -> None:
        self.wire = joined(self.person, self.port)
        self.subscribe()

    def subscribe(self) -> None:
        """Begin behind the last notification."""
        self.wire.send(json.dumps({"event_name": "subscribe", "data": {"channels": ["probe"], "last": self.last}}))

    def close(self) -> None:
        self.wire.close()

    def listen(self) -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = json.loads(self.wire.recv(WITHIN))
        return heard

    def ended(self) -> tuple[int, str]:
        """Code and reason of the end, whatever is heard before."""
        with pytest.raises(ConnectionClosed) as closed:
            all(self.wire.recv(WITHIN) for _ in iter(int, 1))
        assert closed.value.rcvd, "the connection was cut"
        return closed.value.rcvd.code, closed.value.rcvd.reason


class Polls(Ear):
    """Up to 15. Each poll is a request of its own, so a lost one is asked again as a browser does."""

    def listen(self) -> list[dict[str, Any]]:
        caller = Person(self.port)
        caller.cookie = self.person.cookie
        said = caller.rpc("/longpolling/poll", channels=["probe"], last=self.last, options={})
        heard: list[dict[str, Any]] = said["result"]
        return heard


def joined(person: Person, port: int = 0, origin: str = "") -> ClientConnection:
    """A WebSocket of a person, from a page of the server's own if nothing else is said. Without an agent it is no old browser."""
    return connect(
        f"ws://127.0.0.1:{port or person.port}/websocket",
        origin=origin or f"http://127.0.0.1:{person.port}",
        additional_headers={"Cookie": person.cookie} if person.cookie else {},
        compression=None,
        user_agent_header=None,
        ping_interval=None,
        legacy=True,
    )
