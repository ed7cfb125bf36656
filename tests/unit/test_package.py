"""What is installed: all that the server reads is in the wheel, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from tests.conftest import ROOT

SOURCE = ROOT / "src"
# Templates have names of their own kinds.
KINDS = {".py", ".pyx", ".pyi", ".html", ".css", ".js", ".svg", ".sql", ".toml", ".LICENSE"}
EXTRAS = {"console", "dev", "docs", "embedded", "jobs", "lab", "postgres", "redis", "remote", "stacks", "tui", "watch"}


def on_disk() -> set[str]:
    """The files of the package."""
    made = {"__pycache__", "_compiled"}
    files = (file for file in (SOURCE / "prefork").rglob("*") if file.is_file() and not made & {*file.parts})
    return {str(file.relative_to(SOURCE)) for file in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source distribution."""
    place = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", place], cwd=ROOT, check=True, capture_output=True)
    return place


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == on_disk()
    for needed in (
        "console/static/vendor/htmx.js",
        "console/templates/base.html",
        "store/migrations/0001_jobs.sql",
        "render/templates/edge/nginx.conf",
        "bus/browser/bus.js",
        "django/management/commands/runprefork.py",
    ):
        assert f"prefork/{needed}" in names
    strays = {name for name in names if Path(name).suffix not in KINDS and "/render/templates/" not in name}
    assert strays == set()


def test_the_source_distribution_is_enough_to_build_it(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    own = {"hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == {f"src/{name}" for name in on_disk()} | own


def test_its_extras_and_its_program(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (information,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{information}/METADATA").decode())
        programs = archive.read(f"{information}/entry_points.txt").decode()
    assert set(metadata.get_all("Provides-Extra") or ()) == EXTRAS
    assert "prefork = prefork.cli:main" in programs
