"""What a worker has to say, and where."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held, opened_since

from prefork.worker import output
from prefork.worker.output import Output, complain, file_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def standard() -> Iterator[None]:
    """Standard output and error as they were."""
    saved = [os.dup(1), os.dup(2)]
    yield
    for number, copy in enumerate(saved, 1):
        os.dup2(copy, number)
        os.close(copy)


def opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def led_to(*paths: Path) -> None:
    for number, path in enumerate(paths, 1):
        descriptor = opened(path)
        os.dup2(descriptor, number)
        os.close(descriptor)


def test_both_follow_the_log(tmp_path: Path, standard: None) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    led_to(first, first)
    follower = Output()
    before = held()
    for log in (second, third):
        follower.switch(opened(log))
        os.write(1, b"out\n")
        os.write(2, b"error\n")
    assert not opened_since(before)
    assert first.read_bytes() == b""
    assert second.read_bytes() == third.read_bytes() == b"out\nerror\n"


@pytest.mark.parametrize("closed", [False, True])
def test_what_leads_elsewhere_stays_there(tmp_path: Path, standard: None, closed: bool) -> None:
    log, other, new = (tmp_path / name for name in ("log", "other", "new"))
    led_to(log, log)
    follower = Output()
    led_to(other)
    if closed:
        os.close(1)
    follower.switch(opened(new))
    assert file_of(2) == (new.stat().st_dev, new.stat().st_ino)
    assert file_of(1) == ((0, 0) if closed else (other.stat().st_dev, other.stat().st_ino))


def test_a_complaint_is_an_error_in_journald_with_each_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complain("one\n  two\n")
    monkeypatch.setattr(output, "is_journald", lambda descriptor: descriptor == 2)
    complain("one\n  two\n")
    assert capsys.readouterr().err == "one\n  two\n<3>one\n<3>  two\n"


@pytest.mark.parametrize("broken", [None, io.StringIO()])
def test_a_complaint_is_made_whatever_the_application_has_done_to_the_stream(
    tmp_path: Path, standard: None, monkeypatch: pytest.MonkeyPatch, broken: io.StringIO | None
) -> None:
    led_to(tmp_path / "out", tmp_path / "error")
    if broken:
        broken.close()
    monkeypatch.setattr(sys, "stderr", broken)
    complain("gr\u00fc\udcff\n")
    assert (tmp_path / "error").read_bytes() == b"gr\xc3\xbc\\udcff\n"


@pytest.mark.parametrize("full", [False, True])
def test_a_complaint_that_nobody_takes_is_lost(standard: None, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    led_to(Path(os.devnull), Path("/dev/full"))
    if not full:
        os.close(2)
    with io.TextIOWrapper(open("/dev/full", "wb", buffering=0), write_through=True) as stream:
        monkeypatch.setattr(sys, "stderr", stream if full else None)
        complain("one\n")
