"""For whom Odoo's bell rings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from prefork.worker.hosts.odoo.bell import Bell, named

if TYPE_CHECKING:
    from collections.abc import Callable


class Listener:
    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Bell:
    """One whose thread does nothing."""
    monkeypatch.setattr(Bell, "_run", lambda self: None)
    return Bell(lambda kind, **fields: None)


def test_it_rings_once_for_who_listens_to_several_channels_and_for_nobody_else(bell: Bell) -> None:
    both, other = Listener(), Listener()
    bell.attach(both, [("shop", "a"), ("shop", "b")])
    bell.attach(other, [("shop", "c")])
    bell.ring({("shop", "a"), ("shop", "b"), ("shop", "nobody")})
    assert (both.rings, other.rings) == (1, 0)
    bell.ring_for_all()
    assert (both.rings, other.rings) == (2, 1)


def test_who_listens_to_other_channels_or_leaves_is_forgotten(bell: Bell) -> None:
    listener = Listener()
    bell.attach(listener, ["a"])
    bell.attach(listener, ["b"])
    bell.ring({"a"})
    assert listener.rings == 0
    bell.detach(listener)
    bell.detach(listener)
    bell.ring({"b"})
    assert (listener.rings, bell.listeners, bell.channels) == (0, {}, {})


def test_an_outage_is_told_once_and_its_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    tell: Callable[..., Any] = lambda kind, **fields: told.append(kind)  # noqa: E731
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    bell = Bell(tell)
    bell._failed(OSError("away"))
    bell._failed(OSError("still away"))
    bell._reached()
    bell._reached()
    assert told == ["bus_unreachable", "bus_reachable"]


def test_notices_name_channels_and_strangers_name_none() -> None:
    payloads = ['[["shop", "news"], "plain"]', "no JSON", "7", '[["shop", "res.partner", 3]]', '[{"a": 1}]']
    notices: list[Any] = [SimpleNamespace(payload=payload) for payload in payloads]
    assert named(notices) == {("shop", "news"), "plain", ("shop", "res.partner", 3)}
    assert notices == []
