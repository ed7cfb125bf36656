"""What clients say, and what they hear."""

import json

import pytest

from prefork.store.bus import Message
from prefork.worker.live.speech import (
    LONGEST_CHANNEL,
    MOST_CHANNELS,
    PORTION,
    Nonsense,
    Wish,
    hint,
    polled,
    portions,
    read,
    subscribed,
    told,
)

MESSAGES = [(3, 'a"b', b'{"x": 1}'), (4, "c", b"null")]


def test_a_wish_is_understood() -> None:
    assert read(b'{"subscribe": ["a", "b", "a"], "last": 3}', "subscribe") == Wish(frozenset("ab"), 3)
    assert read(b'{"subscribe": []}', "subscribe") == Wish(frozenset(), None)
    assert read(b'{"channels": ["a"], "last": null}', "channels") == Wish(frozenset("a"), None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"1",
        b'{"channels": []}',
        b'{"subscribe": "a"}',
        b'{"subscribe": [1]}',
        b'{"subscribe": [""]}',
        b'{"subscribe": ["a\\u0000"]}',
        b'{"subscribe": ["\\ud800"]}',
        b'{"subscribe": [], "last": true}',
        b'{"subscribe": [], "last": -1}',
        b'{"subscribe": [], "last": 1.5}',
        b'{"subscribe": [], "last": 9223372036854775808}',
        json.dumps({"subscribe": ["x" * (LONGEST_CHANNEL + 1)]}).encode(),
        json.dumps({"subscribe": list(map(str, range(MOST_CHANNELS + 1)))}).encode(),
    ],
)
def test_nonsense_is_not(text: bytes) -> None:
    with pytest.raises(Nonsense):
        read(text, "subscribe")


def test_much_is_said_in_portions() -> None:
    sizes = [1, PORTION - 1, 1, PORTION + 1, 5, 6]
    messages = [Message(number, "a", b"x" * size) for number, size in enumerate(sizes)]
    assert [[message.position for message in each] for each in portions(messages)] == [[0, 1], [2], [3], [4, 5]]
    assert list(portions(())) == [()]


def test_what_clients_hear_is_json() -> None:
    listed = [{"position": 3, "channel": 'a"b', "payload": {"x": 1}}, {"position": 4, "channel": "c", "payload": None}]
    assert json.loads(told(MESSAGES)) == {"messages": listed}
    assert json.loads(polled(MESSAGES, 4)) == {"messages": listed, "position": 4}
    assert json.loads(polled((), 2)) == {"messages": [], "position": 2}
    assert json.loads(subscribed(frozenset("ba"), 9)) == {"subscribed": ["a", "b"], "position": 9}
    assert json.loads(hint(2.25)) == {"retry": 2.2}
