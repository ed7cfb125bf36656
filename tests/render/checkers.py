"""The programs that judge what is rendered, and what they say."""

import os
import shutil
import subprocess
from pathlib import Path

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])
PACKAGES = {"apache2": "apache2", "promtool": "prometheus", "systemd-analyze": "systemd"}  # others are called what their package is


def program(name: str) -> str:
    """The path of a checker; a test that lacks it fails and says what to install."""
    found = shutil.which(name, path=PLACES)
    assert found, f"{name} is missing: apt-get install {PACKAGES.get(name, name)}"
    return found


def verdict(*command: str | Path, cwd: Path | None = None, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a checker says, in both streams."""
    name, *arguments = command
    return subprocess.run(
        [program(str(name)), *arguments],
        cwd=cwd,
        user=user,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def accepted(*command: str | Path) -> str:
    """What a checker says of what it accepts."""
    found = verdict(*command)
    assert found.returncode == 0, found.stdout
    return found.stdout
