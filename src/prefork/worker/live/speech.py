"""Pure: what clients and this server say to each other, in JSON, over WebSocket and in long polls."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prefork.worker.live.hub import Message

MOST_CHANNELS = 256  # that one client hears
LONGEST_CHANNEL = 256  # characters
IMPOSSIBLE = re.compile("[\0\ud800-\udfff]")
PORTION = 1 << 16  # bytes of messages after which others go into a frame, or an answer, of their own


class Nonsense(Exception):
    """What a client says cannot be understood; the sentence says why."""


class Wish(NamedTuple):
    """The channels that a client wants to hear, and up to which position it has heard them; None: from now on."""

    channels: frozenset[str]
    last: int | None


def read(text: bytes, key: str) -> Wish:
    """What a client wishes; `key` is where its channels stand. Raises Nonsense."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Nonsense("this is not JSON") from None
    if not isinstance(said, dict) or key not in said:
        raise Nonsense(f'expected {{"{key}": [channels], "last": position}}')
    channels, last = said[key], said.get("last")
    if not isinstance(channels, list) or not all(map(is_name, channels)):
        raise Nonsense(f"{key} is a list of names, each of {LONGEST_CHANNEL} characters at the most")
    if len(channels) > MOST_CHANNELS:
        raise Nonsense(f"{MOST_CHANNELS} channels are allowed, these are {len(channels)}")
    if last is not None and (type(last) is not int or not 0 <= last < 1 << 63):
        raise Nonsense("last is a position: a whole number, as the last message had it")
    return Wish(frozenset(channels), last)


def is_name(said: object) -> bool:
    """Whether it can be a channel's name. PostgreSQL takes neither NUL nor halves of characters, and is asked for all at once."""
    return isinstance(said, str) and 0 < len(said) <= LONGEST_CHANNEL and not IMPOSSIBLE.search(said)


def said(**words: Any) -> bytes:
    """A JSON object."""
    return json.dumps(words, separators=(",", ":")).encode()


def subscribed(channels: Iterable[str], position: int) -> bytes:
    """The answer to a wish that is granted."""
    return said(subscribed=sorted(channels), position=position)


def told(messages: Sequence[Message]) -> bytes:
    """Messages. Their payloads are JSON already and are not read here."""
    return b'{"messages":%b}' % listed(messages)


def polled(messages: Sequence[Message], position: int) -> bytes:
    """The answer to a long poll: what there was, and from where to ask again."""
    return b'{"messages":%b,"position":%d}' % (listed(messages), position)


def portions(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Messages in parts that a client can have one by one: who is slow, and let go of, has got further by those that are whole."""
    size = start = 0
    for end, (_, _, payload) in enumerate(messages):
        size += len(payload)
        if size > PORTION and end > start:
            yield messages[start:end]
            size, start = len(payload), end
    yield messages[start:]


def listed(messages: Sequence[Message]) -> bytes:
    """Messages as a JSON array."""
    return b"[%b]" % b",".join(
        b'{"position":%d,"channel":%b,"payload":%b}' % (position, json.dumps(channel).encode(), payload)
        for position, channel, payload in messages
    )


def hint(seconds: float) -> str:
    """A close frame's reason that says when to come again."""
    return f'{{"retry":{seconds:.1f}}}'
