"""The log: lines that are whole, and that never make their writer wait."""

from __future__ import annotations

import fcntl
import os
import select
import socket
from typing import TYPE_CHECKING

import pytest
from tests.unit.descriptors import held, held_for_good, opened_since

from prefork import journal as module
from prefork.events import LinesDropped, WorkerExited, WorkerReady
from prefork.journal import Journal, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = WorkerReady("http.1", 42, 1, 0.5)


class Pipe:
    """A log that is a pipe, with its reader in the hand of the test."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096 * 4)
        self.sink = Sink(self.writing)

    def read(self) -> bytes:
        """Everything that is there."""
        data = b""
        while select.select([self.reading], [], [], 0)[0]:
            block = os.read(self.reading, 1 << 16)
            if not block:
                break
            data += block
        return data

    def close(self) -> None:
        for descriptor in (self.reading, self.writing, self.sink.descriptor):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def journal(pipe: Pipe, *, level: str = "info") -> Journal:
    return Journal(pipe.sink, level=level, as_json=False, logger="prefork.master")


def test_levels(pipe: Pipe) -> None:
    quiet = journal(pipe, level="error")
    quiet.emit(READY)
    quiet.emit(WorkerExited("http.1", 42))
    assert pipe.read() == b""
    quiet.emit(LinesDropped(3))
    assert b"3 log lines" in pipe.read()
    journal(pipe, level="debug").emit(WorkerExited("http.1", 42))
    assert b"DEBUG" in pipe.read()


def test_the_journal_of_systemd_is_known_by_its_descriptor(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.fstat(pipe.writing)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    journal(pipe).emit(READY)
    assert pipe.read().startswith(b"<6>prefork.master: Worker")
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    journal(pipe).emit(READY)
    assert pipe.read()[:2].isdigit(), "standard error leads somewhere else"


# Never waiting.


def test_noted_lines_go_out_with_the_next_flush(pipe: Pipe) -> None:
    log = journal(pipe)
    log.note(READY)
    assert pipe.read() == b""
    log.emit(READY)
    assert pipe.read().count(b"\n") == 2


def test_many_lines_of_either_kind_are_due_before_the_next_tick(pipe: Pipe) -> None:
    log = journal(pipe)
    for _ in range(module.MANY):
        assert not log.due
        log.note(READY)
    assert log.due
    log.flush()
    assert not log.due
    log.answered("x" * module.BLOCK)
    assert log.due
    log.flush()
    assert not log.due


def test_a_line_has_the_time_that_it_is_of(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: 2000.5)
    log = journal(pipe)
    log.note(READY, 2000.25)
    log.answered("GET /", 2000.125)
    log.note(READY)
    log.answered("GET /")
    log.flush()
    assert [line.split()[1].partition(b",")[2] for line in pipe.read().splitlines()] == [b"250", b"125", b"500", b"500"]


def test_an_answer_comes_behind_what_was_noted_before_it(pipe: Pipe) -> None:
    log = journal(pipe)
    log.note(READY)
    log.answered("GET /")
    log.note(READY)
    log.flush()
    first, second, third = pipe.read().splitlines()
    assert b"GET /" not in first
    assert second.endswith(b"INFO prefork.access: GET /")
    assert b"GET /" not in third


def test_a_noted_line_has_the_time_of_its_event(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    log = journal(pipe)
    monkeypatch.setattr(module.time, "time", lambda: 1000.25)
    log.note(READY)
    monkeypatch.setattr(module.time, "time", lambda: 2000.75)
    log.flush()
    assert b",250 " in pipe.read()


@pytest.mark.parametrize("shared", [False, True])
def test_a_log_that_is_not_read_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    """`shared`: the pipe belongs to another user, so that no description of our own can be had."""
    if shared:
        monkeypatch.setattr(os, "open", forbidden)
    pipe = Pipe()
    monkeypatch.undo()
    assert os.get_blocking(pipe.writing)
    assert os.get_blocking(pipe.sink.descriptor) == shared
    sent = [b"%04d %b\n" % (number, b"x" * 990) for number in range(100)]
    for line in sent:
        pipe.sink.write(line)
        pipe.sink.flush()
    assert pipe.sink.waiting_bytes > 50_000
    read = pipe.read()
    assert b"".join(sent).startswith(read)
    while pipe.sink.waiting:
        pipe.sink.flush()
        more = pipe.read()
        assert more
        read += more
    assert read == b"".join(sent), "nothing is lost, doubled or torn"
    assert pipe.sink.waiting_bytes == 0
    pipe.close()


def forbidden(*_: object) -> int:
    raise PermissionError


@pytest.mark.parametrize("shared", [False, True])
def test_a_line_longer_than_the_pipe(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    if shared:
        monkeypatch.setattr(os, "open", forbidden)
    pipe = Pipe()
    monkeypatch.undo()
    line = bytes(range(32, 127)) * 1000 + b"\n"
    pipe.sink.write(line)
    read = b""
    while pipe.sink.waiting:
        pipe.sink.flush()
        read += pipe.read()
    assert read == line
    pipe.close()


def test_lines_are_dropped_and_counted_when_too_many_wait(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER", 40_000)
    log = journal(pipe)
    for _ in range(1000):
        log.emit(READY)
    dropped = pipe.sink.dropped
    assert 0 < dropped < 1000
    read = b""
    while pipe.sink.waiting or pipe.sink.dropped:
        log.flush()
        read += pipe.read()
    assert read.count(b"is ready") == 1000 - dropped
    assert f"{dropped} log lines were dropped".encode() in read
    log.emit(READY)
    assert pipe.read().count(b"\n") == 1, "said once"


def test_a_reader_that_has_gone_is_no_fault(pipe: Pipe) -> None:
    log = journal(pipe)
    os.close(pipe.reading)
    log.emit(READY)
    log.emit(READY)
    assert pipe.sink.waiting_bytes > 0
    pipe.reading = -1


def test_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under systemd: the journal's socket cannot be opened again, and must not become non-blocking for others."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Sink(ours.fileno())
        line = b"x" * 999 + b"\n"
        for _ in range(1000):
            sink.write(line)
        sink.flush()
        assert sink.waiting_bytes > 0
        assert os.get_blocking(ours.fileno())
        read = 0
        theirs.setblocking(False)
        while sink.waiting:
            read += len(theirs.recv(1 << 16))
            sink.flush()
        while read < 1000 * len(line):
            read += len(theirs.recv(1 << 16))
        os.close(sink.descriptor)


# Rotation.


def test_files_are_appended_to_and_replaced(tmp_path: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT
    first, second = (os.open(tmp_path / name, flags) for name in ("first", "second"))
    other = Sink(first)
    sink = Sink(first)
    for writer, line in ((sink, b"one\n"), (other, b"two\n"), (sink, b"three\n")):
        writer.write(line)
        writer.flush()
    before = held()
    sink.replace(second, keep=True)
    assert not opened_since(before), "a rotation leaves nothing open"
    sink.write(b"four\n")
    sink.flush()
    assert (tmp_path / "first").read_bytes() == b"one\ntwo\nthree\n"
    assert (tmp_path / "second").read_bytes() == b"four\n"
    for descriptor in (first, second, sink.descriptor, other.descriptor):
        os.close(descriptor)


def test_a_given_descriptor_becomes_standard_output_and_error_and_is_closed(tmp_path: Path) -> None:
    saved = [os.dup(1), os.dup(2)]
    try:
        sink = Sink(2)
        before = len(held_for_good())
        sink.replace(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))
        os.write(1, b"output\n")
        os.write(2, b"from the interpreter\n")
        sink.write(b"from us\n")
        sink.flush()
        assert len(held()) == before
        os.close(sink.descriptor)
    finally:
        for number, copy in enumerate(saved, 1):
            os.dup2(copy, number)
            os.close(copy)
    assert (tmp_path / "log").read_bytes() == b"output\nfrom the interpreter\nfrom us\n"
