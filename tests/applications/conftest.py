"""The real applications: each in an environment of its own, with a database made once and copied for each run."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .environments import HERE, built, environment
from .postgres import Postgres

KEY, PASSWORD = "key-of-the-shop-window", "secret-admin"
MODULES = ("party", "product", "sale")


@pytest.fixture(scope="session")
def install(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Make an application's environment, saying so while it takes its time."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def made(name: str) -> Path:
        with capture.global_and_fixture_disabled():
            return environment(name)

    return made


@pytest.fixture(scope="session")
def tryton(install: Callable[[str], Path]) -> Path:
    return install("tryton")


@pytest.fixture(scope="session")
def company(tryton: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running PostgreSQL with the database `company`: Tryton's modules, a product, the administrator's password and key."""
    with built(tryton, "company", HERE / "tryton.txt", HERE / "tryton" / "seed.py") as (data, made):
        if not made:
            make_company(tryton, data)
    with Postgres(tryton, tmp_path_factory.mktemp("postgres") / "data").copy_of(data) as postgres:
        yield postgres


def make_company(tryton: Path, data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    postgres = Postgres(tryton, data)
    postgres.create()
    with postgres:
        postgres.make_database("company")
        password = data / "password"
        password.write_text(PASSWORD)
        variables = {**tryton_variables(postgres), "TRYTONPASSFILE": str(password)}
        activate = [tryton / "bin" / "trytond-admin", "-d", "company", "-u", *MODULES, "--activate-dependencies"]
        subprocess.run([*activate, "-l", "en", "--email", "admin@example.com"], env=os.environ | variables, check=True)
        seed = [tryton / "bin" / "python", HERE / "tryton" / "seed.py", f"{postgres.uri}company", KEY]
        subprocess.run(seed, env=os.environ | variables, check=True)


def tryton_variables(postgres: Postgres) -> dict[str, str]:
    """Tryton's configuration, which its processes read from their environment."""
    return {"TRYTOND_DATABASE_URI": postgres.uri, "TRYTOND_DATABASE_NAMES": "company", "TRYTOND_WEB__ROOT": ""}


@pytest.fixture(scope="session")
def wagtail(install: Callable[[str], Path]) -> Path:
    return install("wagtail")


@pytest.fixture
def magazine(wagtail: Path, tmp_path: Path) -> Path:
    """A directory with the magazine's database."""
    package = HERE / "magazine" / "magazine"
    sources = [HERE / "wagtail.txt", HERE / "magazine" / "build.py", *sorted(package.glob("**/*.py"))]
    with built(wagtail, "magazine", *sources) as (data, made):
        if not made:
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir()
            build = [wagtail / "bin" / "python", HERE / "magazine" / "build.py"]
            subprocess.run(build, env=os.environ | {"MAGAZINE_DATA": str(data)}, check=True)
    return shutil.copytree(data, tmp_path / "magazine")
