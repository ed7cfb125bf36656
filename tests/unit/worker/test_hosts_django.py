"""Connections of a Django project: closed before a fork, refreshed around jobs, and Django looked for only where it is used."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from prefork.worker.hosts import django


class Connections:
    """Django's, as far as they are asked."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def all(self, initialized_only: bool) -> list[Any]:
        assert initialized_only, "a connection that nobody uses is not made to be closed"
        plain = SimpleNamespace(close=lambda: self.did.append("plain closed"))
        pooled = SimpleNamespace(close=lambda: self.did.append("pooled closed"), close_pool=lambda: self.did.append("pool closed"))
        return [plain, pooled]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Those of a project that has imported Django and its settings."""
    found = Connections()
    modules: dict[str, dict[str, Any]] = {
        "django": {"VERSION": (5, 2)},
        "django.conf": {"settings": SimpleNamespace(configured=True)},
        "django.db": {"connections": found, "close_old_connections": lambda: found.did.append("refreshed")},
    }
    for name, attributes in modules.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_what_the_import_has_opened_is_closed_with_its_pool(connections: Connections) -> None:
    django.part()
    assert connections.did == ["plain closed", "pooled closed", "pool closed"]


def test_a_django_that_cannot_list_them_keeps_them(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["django"], "VERSION", (4, 0))
    django.part()
    assert connections.did == []


def test_they_are_refreshed_by_djangos_own_rule(connections: Connections) -> None:
    django.refresh()
    assert connections.did == ["refreshed"]


@pytest.mark.parametrize("missing", ["django.db", "django.conf"])
def test_who_does_not_use_its_database_is_left_alone(
    missing: str, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, missing)
    django.part()
    django.refresh()
    assert connections.did == []


def test_settings_that_nobody_has_made_are_not_asked(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["django.conf"], "settings", SimpleNamespace(configured=False))
    django.part()
    assert connections.did == []
