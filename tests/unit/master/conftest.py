"""What tests of the master share."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.meters import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sleeper() -> Iterator[int]:
    """The pid of a process that waits for a byte."""
    with subprocess.Popen([sys.executable, "-S", "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as process:
        assert process.stdout
        process.stdout.readline()
        while state_of(process.pid) != "S":
            pass
        yield process.pid
        process.kill()
