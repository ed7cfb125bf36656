"""Tries the wheel as people install it: on each Python that is there, with its extras, and workers on older ones.

    .venv/bin/python tests/package/run.py [VERSION…]

VERSION is one such as `3.12`; by default all that Prefork itself runs on. Interpreters are looked for on PATH and where pyenv keeps
them; one that is not there is said. Each environment is made in a temporary directory, from the wheel in dist/.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from prefork.testing import Load, Server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVERS = ("3.11", "3.12", "3.13")
WORKERS = ("3.9", "3.10", "3.11", "3.12", "3.13")
EXTRAS = "console,postgres,redis,tui"


class Installed(Server):
    """A server that runs from an environment with the wheel."""

    def __init__(self, program: Path, python: Path) -> None:
        self.command = [str(program)]
        super().__init__("app:app", HERE, python)


def interpreter(version: str) -> Path | None:
    """A Python of this version."""
    places = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))]
    for place in filter(None, places):
        told = subprocess.run(
            [place, "-c", "import venv, sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        if told.stdout.strip() == str(tuple(map(int, version.split(".")))):
            return Path(place)
    return None


def installed(python: Path, place: Path) -> Path:
    """An environment with the wheel and its extras, and nothing else; gives its program."""
    (wheel,) = (ROOT / "dist").glob("prefork-*.whl")
    subprocess.run([python, "-m", "venv", place], check=True)
    pip = [place / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--constraint", ROOT / "constraints.txt", f"{wheel}[{EXTRAS}]"], check=True, stderr=subprocess.PIPE
    )
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    program = place / "bin" / "prefork"
    version = re.search(r"-([\d.]+)-py3", wheel.name)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert version, wheel
    assert told == f"prefork {version[1]}\n", told
    for word in ("check", "completion"):
        subprocess.run([program, word, "--help"], check=True, stdout=subprocess.DEVNULL)
    return program


def served(program: Path, python: Path, version: str) -> str:
    """A reload and a death under load; says what was seen. Raises AssertionError."""
    with Installed(program, python) as server:
        with urlopen(server.url, timeout=10) as answer:
            assert ".".join(map(str, json.load(answer)["python"])) == version
        with Load(server.url, threads=2) as load:
            load.wait(20)
            server.reload()
            load.wait(20)
            mark = server.mark()
            os.kill(min(server.workers().values()), signal.SIGKILL)
            server.wait_for("worker_ready", after=mark, timeout=30)
            load.wait(20)
            outcome = load.stop()
        assert not outcome.failed, outcome.summary()
    return f"{outcome.ok} requests through a reload and a death, none failed"


def main() -> int:
    """The exit status says whether anything has failed; what could not be tried is said."""
    found = {version: interpreter(version) for version in WORKERS}
    programs = {}
    with tempfile.TemporaryDirectory(prefix="prefork-package-") as place:
        for version in sys.argv[1:] or SERVERS:
            if python := found[version]:
                programs[version] = installed(python, Path(place) / version)
                print(f"server on {version}: installed with {EXTRAS}; {served(programs[version], python, version)}", flush=True)
        for version, python in found.items():
            if python and programs and version not in programs:
                newest, program = max(programs.items())
                print(f"workers on {version}, server on {newest}: {served(program, python, version)}", flush=True)
    missing = [version for version, python in found.items() if not python]
    print(f"not there, and so not tried: {', '.join(missing)}" if missing else "every version was tried")
    return 0 if programs else 1


if __name__ == "__main__":
    sys.exit(main())
