"""Master, dispatcher and template live for months: they start without what is large and seldom needed, and are smaller for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

MASTER = ("prefork.cli.application", "prefork.master.serve")
TEMPLATE = ("prefork.worker.template",)
DISPATCHER = ("prefork.dispatcher.__main__", "prefork.dispatcher.loop", "prefork.dispatcher.options")
# What each brings with it, in KiB of every server's memory: OpenSSL 550, the syntax tree of Python 900, mail 600, packers 180.
EITHER = {"_hashlib", "asyncio", "email", "hashlib", "http.client", "logging", "secrets", "shutil", "ssl"}


@pytest.mark.parametrize(
    ("rooms", "unwanted"),
    [
        (MASTER, EITHER | {"prefork.sizing.size"}),
        (DISPATCHER, EITHER | {"click", "dataclasses", "datetime", "inspect"}),
        # Applications that have none of these are served, too. What keeps jobs needs `hashlib` in each worker for them.
        (TEMPLATE, EITHER - {"_hashlib", "hashlib"} | {"csv", "dataclasses", "datetime", "http.cookies", "tempfile"}),
    ],
)
def test_no_process_brings_what_it_can_do_without(rooms: tuple[str, ...], unwanted: set[str]) -> None:
    said = f"import sys, {', '.join(rooms)}; print(*sys.modules)"
    imported = set(subprocess.run([sys.executable, "-P", "-c", said], capture_output=True, text=True, check=True).stdout.split())
    assert imported.issuperset(rooms)
    assert imported & unwanted == set()
