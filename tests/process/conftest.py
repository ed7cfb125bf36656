"""Servers of the echo application, and the check that none of them had anything to complain about."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from prefork.testing import Server

from .wire import Gate

APPS = Path(__file__).parent / "apps"
Echo = Callable[..., AbstractContextManager[Server]]


@contextmanager
def running(app: str = "echo:app", **options: object) -> Iterator[Server]:
    """A server of the application; `faults` are those that its log may tell of, by a part of their text."""
    faults = options.pop("faults", ())
    with Server(app, **{"app_dir": APPS, **options}) as server:
        yield server
        said = [*server.log.output, *(event["traceback"] for event in server.events("fault_contained"))]
        raised = [line for line in said if "Error" in line and not any(fault in line for fault in faults)]
        assert not raised, f"the validator, the application or the server complained: {raised}\n{server.log.text()}"


@pytest.fixture(scope="session")
def echo() -> Echo:
    """Makes a server of the echo application, as a context manager."""
    return running


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Callable[[], Gate]]:
    """Makes gates; those that are still closed are opened in the end."""
    made: list[Gate] = []
    numbers = itertools.count()

    def make() -> Gate:
        made.append(Gate(tmp_path / f"gate{next(numbers)}"))
        return made[-1]

    yield make
    for gate in made:
        if gate.writer >= 0:
            gate.open()
