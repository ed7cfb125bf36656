"""Master and dispatcher live for months beside each application: they do without what is large and seldom needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

MASTER = ("prefork.cli.application", "prefork.master.serve")
DISPATCHER = ("prefork.dispatcher.__main__", "prefork.dispatcher.loop", "prefork.dispatcher.options")
# What each brings with it, in KiB of every server's memory: OpenSSL 550, the syntax tree of Python 900, mail 600, packers 180.
EITHER = {"_hashlib", "asyncio", "email", "hashlib", "http.client", "logging", "secrets", "shutil", "ssl"}


@pytest.mark.parametrize(
    ("rooms", "unwanted"), [(MASTER, EITHER), (DISPATCHER, EITHER | {"click", "dataclasses", "datetime", "inspect"})]
)
def test_neither_master_nor_dispatcher_brings_what_it_can_do_without(rooms: tuple[str, ...], unwanted: set[str]) -> None:
    said = f"import sys, {', '.join(rooms)}; print(*sys.modules)"
    imported = set(subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, check=True).stdout.split())
    assert imported.issuperset(rooms)
    assert imported & unwanted == set()
