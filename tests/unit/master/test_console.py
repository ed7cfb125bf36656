"""What keeps a console from being started is one sentence, and nothing else."""

import os

import pytest

from prefork.config import Settings
from prefork.events import ConsoleUnavailable, Event
from prefork.journal import Journal
from prefork.master import console
from prefork.master.owner import Owner


class Said(Journal):
    """A journal that only remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def reason(settings: Settings) -> str:
    said = Said()
    assert console.open_console(settings, said) is None
    (event,) = said.events
    assert isinstance(event, ConsoleUnavailable)
    return event.reason


def test_without_the_option_there_is_none_and_no_word() -> None:
    said = Said()
    assert console.open_console(Settings(app="a:b", console=False), said) is None
    assert said.events == []


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LIBRARIES", ("json", "no_such_library"))
    assert reason(Settings(app="a:b")).startswith(
        "no_such_library cannot be imported by Prefork's Python; install prefork[console]"
    )


def test_an_account_that_cannot_reach_its_file_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "owner_of", lambda _user, _group: Owner(os.geteuid() + 1, None))
    assert "User= in its unit" in reason(Settings(app="a:b", user="site"))


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(app="a:b", console_interface="192.0.2.1")
    assert "choose another console_interface" in reason(settings)
