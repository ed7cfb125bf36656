"""An application that has spoilt what a worker writes to, or whose log has no room: its failures are those of a request."""

from pathlib import Path

import pytest

from prefork.testing import Server

from .wire import Wire

APP = """
import os, sys

def close(environ):
    sys.stdout.close()
    environ["wsgi.errors"].close()

def take(environ):
    sys.stdout = sys.stderr = None

def fill(environ):
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)
    os.close(full)
    sys.stdout.write("stays in the buffer")

def app(environ, start_response):
    globals()[environ["PATH_INFO"][1:]](environ)
    raise LookupError("told to fail")
"""


@pytest.mark.parametrize("spoil", ["close", "take", "fill"])
def test_a_worker_that_cannot_write_goes_on_and_leaves_as_any_other(tmp_path: Path, spoil: str) -> None:
    (tmp_path / "spoiling.py").write_text(APP)
    with Server("spoiling:app", tmp_path, workers=1) as server:
        before = server.workers()
        with Wire(server) as wire:
            for _ in range(2):
                assert wire.get(f"/{spoil}").status == 500
        assert server.workers() == before
        assert server.stop() == 0
        assert not server.events("worker_died")
        said = [line for line in server.log.output if line == "LookupError: told to fail"]
        assert len(said) == (0 if spoil == "fill" else 2), server.log.text()
