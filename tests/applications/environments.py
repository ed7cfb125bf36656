"""The applications' own environments: made on first use, next to Prefork's, from pinned requirements.

Two runs at once wait for each other. Never touches the environment of Prefork itself.
"""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def environment(name: str) -> Path:
    """The environment `.venv-NAME` with the packages of `NAME.txt`. Installs them when that file is newer than the environment."""
    place, requirements = ROOT / f".venv-{name}", HERE / f"{name}.txt"
    with _locked(place):
        ready = place / ".ready"
        if not ready.exists() or ready.stat().st_mtime < requirements.stat().st_mtime:
            print(f"Installing {requirements.name} into {place.name}: a minute, once")
            command = ["sh", "tools/setup.sh", sys.executable, place, requirements, "-r", requirements]
            subprocess.run(command, cwd=ROOT, check=True)
    return place


@contextmanager
def built(environment: Path, name: str, *sources: Path) -> Iterator[tuple[Path, bool]]:
    """A directory in the environment for what is made once from `sources`, and whether it has been made.

    The caller makes it inside the context when it has not; other runs wait. It counts as made when the context ends well.
    """
    with _locked(environment):
        content = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
        place = environment / f"{name}-{content}"
        made = place / ".made"
        yield place, made.exists()
        made.touch()


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
