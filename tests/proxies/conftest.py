"""Servers with an nginx before them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.process.conftest import running

from prefork.testing import Server

from .nginx import Nginx, Way

APPS = Path(__file__).parent / "apps"
WAYS = [Way(keep_alive, buffering) for keep_alive in (True, False) for buffering in (True, False)]
Echo = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def echo() -> Echo:
    """Makes a server of the echo application, as a context manager."""
    return running


@pytest.fixture(params=WAYS, ids=str, scope="module")
def way(request: pytest.FixtureRequest) -> Way:
    """Each way in which nginx can speak to the server."""
    return request.param


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    """A server with one worker, so that one that is held would be noticed."""
    with echo(workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: Server, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx before that server."""
    with Nginx(server, tmp_path_factory.mktemp("nginx"), way) as nginx:
        yield nginx
