"""Which Odoo is tested: `--odoo` and `--odoo-python`, both needed. Its databases are made once for a run, in half a minute."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.applications.environments import environment
from tests.applications.postgres import Postgres

from .installation import Estate, Installation, OdooServer

Serve = Callable[..., OdooServer]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--odoo", default="", help="the directory that holds odoo-bin")
    parser.addoption("--odoo-python", default="", help="the interpreter that has Odoo's requirements")


def named(config: pytest.Config) -> Installation:
    return Installation(*(Path(config.getoption(name)).absolute() for name in ("--odoo", "--odoo-python")))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Live connections are WebSockets or long polls, by the version. Only an interpreter that can import our parser reads loans."""
    if collection_path.name == "test_lending.py":
        return None if named(config).runs_as_we_do() else True
    other = {"test_sockets.py": range(16), "test_polls.py": range(16, 100)}.get(collection_path.name)
    return True if other and named(config).version in other else None


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config) -> Installation:
    return named(pytestconfig)


@pytest.fixture(scope="session")
def estate(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    postgres = Postgres(environment("postgres"), tmp_path_factory.mktemp("postgres") / "data")
    postgres.create()
    with postgres:
        made = Estate(installation, postgres, tmp_path_factory.mktemp("files"))
        made.build()
        yield made


@pytest.fixture
def serve(estate: Estate) -> Serve:
    """Make a server; as a context manager it is started and ready."""

    def made(**given: object) -> OdooServer:
        return OdooServer(estate, **given)

    return made
