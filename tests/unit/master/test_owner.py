"""The files that a start makes, on a disk that has no room for them: nothing is left half, and what is said names the file."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held_for_good, opened_since

from prefork.master import owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def no_room() -> Iterator[None]:
    """Not a byte can be written to any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_secret_that_there_is_no_room_for_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "session.secret"
    before = held_for_good()
    with no_room(), pytest.raises(OSError, match=r"session\.secret"):
        owner.open_secret(file)
    assert not file.exists()
    assert not opened_since(before)
    descriptor = owner.open_secret(file)
    assert len(os.pread(descriptor, 100, 0)) == 65
    assert file.stat().st_mode & 0o777 == 0o600
    os.close(descriptor)


def test_a_pid_that_there_is_no_room_for_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with no_room(), pytest.raises(OSError, match="pid"):
        owner.write_pid(file)
    assert not os.listdir(tmp_path)
    owner.write_pid(file)
    assert file.read_text() == f"{os.getpid()}\n"
    assert os.listdir(tmp_path) == ["pid"]


def test_a_claim_that_there_is_no_room_for_names_its_file(tmp_path: Path) -> None:
    with no_room(), pytest.raises(OSError, match="File too large") as raised:
        owner.claim(tmp_path)
    assert owner.unusable(raised.value) == f"prefork: cannot use {tmp_path}/prefork.lock: file too large\n"


def test_what_is_about_no_file_names_none() -> None:
    assert owner.unusable(OSError(errno.EMFILE, "Too many open files")) == "prefork: cannot start: too many open files\n"
