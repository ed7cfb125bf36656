"""Connections of a websocket worker: who may hear what, who is too slow, who is gone, how they are let go."""

import gc
import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from prefork.messages import LOG, SUBSCRIPTION, inbox, pack_handover, receive, send, unpack_ending, unpack_number
from prefork.scoreboard import OPEN, RECEIVED

from .conftest import WITHIN, Station

Make = Callable[..., Station]


def ask(client: Any, **words: object) -> Any:
    client.send(json.dumps(words))
    return json.loads(client.recv(WITHIN))


def ended(client: Any) -> tuple[int, str]:
    """The code and reason that a client is closed with, whatever it hears before."""
    with client, pytest.raises(ConnectionClosedError) as error:
        all(client.recv(WITHIN) for _ in iter(int, 1))
    assert error.value.rcvd is not None
    return error.value.rcvd.code, error.value.rcvd.reason


def answer(client: socket.socket) -> tuple[int, Any]:
    """The answer to a long poll, to the end of its connection."""
    with client:
        text = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_who_subscribes_hears_what_is_published(station: Make) -> None:
    worker = station()
    with worker.connect() as client:
        assert ask(client, subscribe=["a", "secret"], last=3) == {"subscribed": ["a"], "position": 3}
        worker.publish((8, "a", b'{"n": 1}'), (9, "a", b"2"))
        messages = [{"position": 8, "channel": "a", "payload": {"n": 1}}, {"position": 9, "channel": "a", "payload": 2}]
        assert json.loads(client.recv(WITHIN)) == {"messages": messages}
    worker.bus.await_attached(0)


def test_fragments_are_one_message(station: Make) -> None:
    with station().connect() as client:
        client.send(['{"subscr', 'ibe": ["a"', "]}"])
        assert json.loads(client.recv(WITHIN)) == {"subscribed": ["a"], "position": 7}


def test_who_may_hear_nothing_is_closed(station: Make) -> None:
    with station().connect() as client:
        assert "session" in ask(client, subscribe=["secret"])["error"]
        assert ended(client)[0] == 4001


def test_an_application_that_raises_allows_nothing(station: Make, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(environ: dict[str, Any], channels: frozenset[str]) -> bool:
        raise LookupError(environ["PATH_INFO"])

    with station(fail).connect() as client:
        assert "could not say" in ask(client, subscribe=["a"])["error"]
        assert ended(client)[0] == 4001
    assert "LookupError: /websocket" in capfd.readouterr().err


def test_without_a_word_of_the_application_nobody_subscribes(station: Make) -> None:
    with station(None).connect() as client:
        assert "websocket_authorize" in ask(client, subscribe=["a"])["error"]


def test_a_client_that_does_not_read_is_let_go_and_others_hear_on(station: Make) -> None:
    worker = station()
    slow, quick = worker.connect(window=4096, max_queue=1), worker.connect()
    for client in (slow, quick):
        ask(client, subscribe=["a"])
    worker.bus.await_attached(2)
    said = 0
    while len(worker.bus.attached) > 1:
        said += 1
        worker.publish((said, "a", b'"%b"' % (b"x" * 2000)))
        assert json.loads(quick.recv(WITHIN))["messages"][0]["position"] == said
    code, reason = ended(slow)
    assert (code, 0.5 <= json.loads(reason)["retry"] <= 3) == (1013, True)
    assert [word["code"] for word in worker.told] == [1013]
    quick.close()


def test_who_is_too_slow_for_much_has_got_further_all_the_same(station: Make) -> None:
    """All of it was one frame: none was whole, so it came back for the same, again and again."""
    worker = station()
    slow = worker.connect(window=4096, max_queue=1)
    ask(slow, subscribe=["a"])
    worker.bus.await_attached(1)
    worker.publish(*((number, "a", b'"%b"' % (b"x" * 40_000)) for number in range(8, 108)))
    heard = []
    with slow, suppress(ConnectionClosedError):
        for text in slow:
            heard.append(json.loads(text)["messages"])  # noqa: PERF401 - those before the end count
    assert slow.close_code == 1013
    assert [message["position"] for each in heard for message in each] == list(range(8, 8 + len(heard))), "one in each frame"
    assert len(heard) < 100, "what it has yet to read is bounded"


def test_a_client_that_is_gone_is_noticed(station: Make) -> None:
    worker = station(ping=1.0)
    mine, its = socket.socketpair()
    names = [(b"host", b"x"), (b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-version", b"13")]
    key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    worker.hand_over(worker.request("GET", "/websocket", [*names, key]), its)
    mine.settimeout(WITHIN)
    with mine:
        data = b"".join(iter(lambda: mine.recv(65536), b""))
    reason = b"no answer to a ping (websocket_ping)"
    assert data.endswith(b"\x89\0\x88" + bytes((len(reason) + 2,)) + (1011).to_bytes(2, "big") + reason)
    assert [word["code"] for word in worker.told] == [1011]


def test_one_that_answers_pings_stays(station: Make) -> None:
    worker = station(ping=1.0)
    with worker.connect() as client:
        with pytest.raises(TimeoutError):
            client.recv(3.5)
        assert ask(client, subscribe=["a"])["subscribed"] == ["a"]


def test_a_poll_waits_for_a_message(station: Make) -> None:
    worker = station()
    client = worker.poll(b'{"channels": ["a"], "last": 3}')
    worker.bus.await_attached(1)
    worker.publish((8, "a", b"1"))
    assert answer(client) == (200, {"messages": [{"position": 8, "channel": "a", "payload": 1}], "position": 8})
    assert unpack_number(receive(worker.ours, inbox())[0]) == 1
    ending = unpack_ending(receive(worker.ours, inbox())[0])
    assert (ending.number, ending.status, ending.sent > 100) == (1, 200, True)


def test_a_poll_for_much_has_the_beginning(station: Make) -> None:
    worker = station()
    client = worker.poll(b'{"channels": ["a"], "last": 3}')
    worker.bus.await_attached(1)
    worker.publish(*((number, "a", b'"%b"' % (b"x" * 40_000)) for number in range(8, 12)))
    status, said = answer(client)
    assert (status, said["position"], [message["position"] for message in said["messages"]]) == (200, 8, [8])


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("GET", b"", 405), ("POST", b"x", 400), ("POST", b'{"channels": ["secret"]}', 403)],
)
def test_a_poll_that_cannot_be_answered_is_refused(station: Make, method: str, body: bytes, status: int) -> None:
    found, said = answer(station().poll(body, method))
    assert (found, list(said)) == (status, ["error"])


def test_who_leaves_is_forgotten(station: Make) -> None:
    worker = station()
    poll, client = worker.poll(b'{"channels": ["a"]}'), worker.connect()
    ask(client, subscribe=["a"])
    worker.bus.await_attached(2)
    assert (worker.slot[OPEN], worker.slot.progress().state) == (2, RECEIVED)
    poll.close()
    client.socket.close()
    worker.bus.await_attached(0)


def test_all_are_let_go_with_a_hint_when_the_worker_leaves(station: Make) -> None:
    worker = station()
    clients = [worker.connect() for _ in range(5)]
    poll = worker.poll(b'{"channels": ["a"], "last": 3}')
    worker.bus.await_attached(1)
    worker.leave()
    assert answer(poll) == (200, {"messages": [], "position": 3})
    hints = []
    for client in clients:
        code, reason = ended(client)
        assert code == 1012
        hints.append(json.loads(reason)["retry"])
    assert len(set(hints)) > 1
    worker.thread.join(WITHIN)
    assert worker.slot[OPEN] == 0
    assert worker.told == []


def test_a_poll_that_is_not_allowed_yet_hears_from_where_on_before_the_worker_leaves(station: Make) -> None:
    asked, said = threading.Event(), threading.Event()

    def authorize(environ: dict[str, Any], channels: frozenset[str]) -> bool:
        asked.set()
        return said.wait(WITHIN)

    worker = station(authorize)
    poll = worker.poll(b'{"channels": ["a"]}')
    assert asked.wait(WITHIN)
    worker.leave()
    said.set()
    assert answer(poll) == (200, {"messages": [], "position": 7})


def test_one_of_which_the_application_says_nothing_holds_up_no_worker_that_leaves(station: Make) -> None:
    asked, said = threading.Event(), threading.Event()

    def authorize(environ: dict[str, Any], channels: frozenset[str]) -> bool:
        asked.set()
        return said.wait(WITHIN)

    worker = station(authorize)
    worker.keeper.patience = 0.05
    poll = worker.poll(b'{"channels": ["a"]}')
    assert asked.wait(WITHIN)
    worker.leave()
    try:
        status, body = answer(poll)
        assert (status, list(body)) == (503, ["error"])
        worker.thread.join(WITHIN)
        assert not worker.thread.is_alive()
    finally:
        said.set()


@pytest.mark.parametrize("poll", [True, False])
def test_nobody_complains_of_an_answer_that_nobody_waits_for(station: Make, caplog: pytest.LogCaptureFixture, poll: bool) -> None:
    asked, said = threading.Event(), threading.Event()

    def authorize(environ: dict[str, Any], channels: frozenset[str]) -> bool:
        asked.set()
        return not said.wait(WITHIN)

    worker = station(authorize)
    if poll:
        worker.poll(b'{"channels": ["a"]}').close()
    else:
        client = worker.connect()
        client.send(json.dumps({"subscribe": ["a"]}))
        client.socket.close()
    assert asked.wait(WITHIN)
    while worker.slot[OPEN]:
        worker.call(lambda: None)
    said.set()
    worker.keeper.authority.threads.shutdown()
    for _ in range(3):  # turns until it is known, told, and forgotten
        worker.call(gc.collect)
    assert caplog.text == ""


def test_a_connection_that_there_is_no_descriptor_for_is_left_to_the_dispatcher(station: Make) -> None:
    worker = station()
    request = worker.request("GET", "/websocket", [(b"host", b"shop.example")])
    with open(os.devnull) as file:  # more of them than there is room for, which is the same to who receives them
        send(worker.ours, pack_handover(request, SUBSCRIPTION, b""), [file.fileno()] * 3)
        ending = unpack_ending(receive(worker.ours, inbox())[0])
        assert (ending.number, ending.status) == (request.number, 503)
        send(worker.ours, LOG, [file.fileno()] * 3)
    with worker.connect() as client:
        assert ask(client, subscribe=["a"])["subscribed"] == ["a"]


def test_what_happens_too_often_is_counted(station: Make) -> None:
    worker = station()
    for _ in range(25):
        worker.call(worker.keeper.complain_of, "10.0.0.9", "r", 1008, "too much")
    assert len(worker.told) == 20
    worker.call(lambda: setattr(worker.keeper, "told", 0))
    worker.call(worker.keeper.complain_of, "10.0.0.9", "r", 1008, "too much")
    assert worker.told[-1]["others"] == 5
