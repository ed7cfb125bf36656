"""Files without a name: where the file system can make them so, and where it cannot."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.descriptors import held, opened_since

from prefork import spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    before = held()
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)
    assert not opened_since(before), "descriptors are left open"


@pytest.fixture(params=[None, *sorted(spool.UNSUPPORTED)], ids=lambda number: errno.errorcode.get(number, "supported"))
def answer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file system says about O_TMPFILE."""
    if request.param is not None:
        refuse(monkeypatch, request.param)


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    really = os.open

    def opened(path: str, flags: int, mode: int = 0o777, **rest: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return really(path, flags, mode, **rest)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.usefixtures("answer")
def test_a_file_is_for_both_and_has_no_name(directory: int, tmp_path: Path) -> None:
    first, second = spool.create(directory), spool.create(directory)
    assert os.listdir(tmp_path) == []
    os.write(first, b"first")
    os.write(second, b"second")
    assert (os.pread(first, 10, 0), os.pread(second, 10, 0)) == (b"first", b"second")
    for descriptor in (first, second):
        assert not os.get_inheritable(descriptor)
        assert (os.fstat(descriptor).st_nlink, os.fstat(descriptor).st_mode & 0o777) == (0, 0o600)
        os.close(descriptor)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EACCES, errno.EROFS])
def test_other_errors_are_told(directory: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(OSError) as caught:
        spool.create(directory)
    assert caught.value.errno == number


def test_a_directory_that_is_gone(directory: int, tmp_path: Path) -> None:
    tmp_path.rmdir()
    with pytest.raises((FileNotFoundError, PermissionError)):
        spool.create(directory)
    tmp_path.mkdir()


def test_a_name_that_cannot_be_taken_away_is_no_leak(directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, errno.EOPNOTSUPP)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(OSError, match="no"):
        spool.create(directory)
