"""What keeps a console from being started is one sentence, and nothing else."""

import os
import stat
from pathlib import Path

import pytest

from prefork.config import Settings
from prefork.events import ConsoleUnavailable, Event
from prefork.incidents import Incident, Ledger
from prefork.instances import database
from prefork.journal import Journal
from prefork.master import console, quarters
from prefork.master.quarters import furnish
from prefork.master.spawn import Owner
from prefork.testing import free_port

INCIDENT = Incident("1a2b3c4d", 1.0, "web1", "http.1", "http", 4711, 1, "exit", "it ended", "look")


class Said(Journal):
    """A journal that only remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def reason(settings: Settings, guest: Owner | None = None) -> str:
    said = Said()
    assert console.open_console(settings, guest, said) is None
    (event,) = said.events
    assert isinstance(event, ConsoleUnavailable)
    return event.reason


def test_without_the_option_there_is_none_and_no_word() -> None:
    said = Said()
    assert console.open_console(Settings(app="a:b", console=False), None, said) is None
    assert said.events == []


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LIBRARIES", ("json", "no_such_library"))
    assert reason(Settings(app="a:b")).startswith(
        "no_such_library cannot be imported by Prefork's Python; install prefork[console]"
    )


def test_a_data_directory_of_another_account_is_no_place_for_what_root_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(app="a:b", data_dir=tmp_path, console_port=free_port())
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert "belongs to another account than the server" in reason(settings, Owner(4711, 4711))


@pytest.mark.parametrize(("before", "after"), [(0o700, 0o710), (0o750, 0o751), (0o711, 0o711)])
def test_a_console_of_another_account_has_its_directory_and_the_way_to_it(tmp_path: Path, before: int, after: int) -> None:
    tmp_path.chmod(before)
    Ledger(tmp_path).add(INCIDENT)
    guest = Owner(65_534, 65_534) if os.geteuid() == 0 else Owner(os.geteuid(), os.getegid())
    for _ in range(2):  # the next start finds it as it is
        furnish(tmp_path, guest)
        found = {path.name: path.stat() for path in (tmp_path, *tmp_path.iterdir())}
        modes = {name: stat.S_IMODE(each.st_mode) for name, each in found.items()}
        assert modes == {tmp_path.name: after, "console": 0o700, "incidents.jsonl": 0o640}
        assert (found["console"].st_uid, found["incidents.jsonl"].st_uid) == (guest.user, os.geteuid())
        assert found["incidents.jsonl"].st_gid == guest.group


def test_the_console_looks_for_its_file_there() -> None:
    assert quarters.PLACE == database.OWN


def test_new_incidents_are_for_the_same_group(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 65_534 if os.geteuid() == 0 else os.getegid())
    ledger.add(INCIDENT)
    status = ledger.path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, ledger.readers)


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(app="a:b", console_interface="192.0.2.1")
    assert "choose another console_interface" in reason(settings)
