"""A browser, and a console with invented data that it looks at."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browsing import PATIENCE, Shown, opened, shown
from invented import Invented
from playwright.sync_api import Browser, expect


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the tests of a module; each has a context of its own. Playwright runs an event loop in this thread meanwhile, so that
    no test of another room could run one.
    """
    expect.set_options(timeout=PATIENCE)
    with opened() as browser:
        yield browser


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Callable[[Invented], Shown]]:
    """Shows what a source says until the test ends."""
    with ExitStack() as stack:
        yield lambda source: stack.enter_context(shown(tmp_path, source))


@pytest.fixture
def invented() -> Invented:
    """Good days and bad ones."""
    return Invented(time.time())
