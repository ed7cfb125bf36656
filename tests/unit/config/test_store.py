"""Whether something is stored, and where."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prefork.config import Settings

Configure = Callable[..., Settings]


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths of tests are longer than a socket's may be."""
    monkeypatch.setattr("prefork.config.obstacles.LONGEST_SOCKET", 1000)


@pytest.fixture
def odoo(tmp_path: Path) -> Path:
    """What looks like Odoo."""
    tree = tmp_path / "odoo"
    (tree / "odoo").mkdir(parents=True)
    (tree / "odoo" / "release.py").write_text("version_info = (18, 0, 0, 'final', 0, '')\n")
    return tree


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("", False),
        ("jobs = shop.jobs", True),
        ("session_store = postgresql", True),
        ("store_dsn = dbname=shop", True),
        ("db_name = shop", True),
        ("db_name = one,two", False),
        ("store_dsn = dbname=shop\nbus = False", False),
        ("bus = True", True),
    ],
)
def test_the_bus_is_on_where_there_is_a_store(configure: Configure, text: str, on: bool) -> None:
    settings = configure(f"[options]\n{text}\n")
    assert (settings.bus, settings.stores) == (on, on)


def test_the_database_of_an_odoo_is_no_store(configure: Configure, odoo: Path) -> None:
    beside = f"[options]\nodoo = {odoo}\ndb_name = odoo\n"
    assert not configure(beside).bus
    assert configure(f"{beside}store_dsn = dbname=prefork\n").bus


def test_sessions_are_not_kept_in_the_database_of_an_odoo(
    configure: Configure, problems: Callable[..., list[str]], odoo: Path
) -> None:
    beside = f"[options]\nodoo = {odoo}\ndb_name = odoo\n"
    advice = "set store_dsn to another, or write postgresql://…"
    assert problems(f"{beside}session_store = postgresql\n") == [
        f"odoo.conf:4: session_store: postgresql means the store, and that is the database of Odoo here; {advice}"
    ]
    for other in ("session_store = postgresql\nstore_dsn = dbname=prefork\n", "session_store = redis://127.0.0.1\n"):
        assert configure(beside + other).session_store


def test_nothing_is_stored_without_the_bus_in_a_database_that_is_only_named(configure: Configure) -> None:
    settings = configure("[options]\ndb_name = shop\nbus = False\n")
    assert not settings.stores


def test_the_bus_alone_needs_a_database(problems: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.config.obstacles.binaries", lambda: None)
    advice = "set store_dsn or db_name, or install prefork[embedded] for one of the server's own"
    assert problems("[options]\nbus = True\n") == [f"odoo.conf:2: bus: this needs a database; {advice}"]
    assert problems("[options]\njobs = a.b\n") == [f"odoo.conf:2: jobs: this needs a database; {advice}"]
