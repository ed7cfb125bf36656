"""What all tiers of tests share: how often a story is told, which examples are tried, and where things are."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from prefork.testing.server import DEFAULTS

ROOT = Path(__file__).parent.parent
collect_ignore = ["odoo"]  # they need an Odoo: `make test-odoo` names them, and one
ROUNDS = os.environ.get("STORY_ROUNDS", "")


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "tell stories at their full length and size, as `make soak` does, and try examples that change from run to run"
    parser.addoption("--full", action="store_true", help=told)
    parser.addoption("--lend", action="store_true", help="have servers lend connections, where a test does not say")


def pytest_configure(config: pytest.Config) -> None:
    # A shell has what it starts in the background ignore it, and then so would every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("lend"):
        DEFAULTS["lend_connections"] = True
    often = "a lifecycle story, told as often as STORY_ROUNDS says, else so many times: 3 where a request races against a kill"
    config.addinivalue_line("markers", f"story(rounds=1): {often}")
    # Its clock runs on while others have the processor; and what it finds by chance would fail a change that has not caused it.
    derandomize, unhurried = not config.getoption("full"), [HealthCheck.too_slow]
    settings.register_profile("prefork", deadline=None, derandomize=derandomize, suppress_health_check=unhurried)
    settings.load_profile("prefork")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A race that is lost once in a while is not found by running once."""
    story = metafunc.definition.get_closest_marker("story")
    if story:
        metafunc.fixturenames.append("telling")
        metafunc.parametrize("telling", range(int(ROUNDS or story.kwargs.get("rounds", 1))))


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether to tell a story at its full length and size."""
    return bool(request.config.getoption("full"))
