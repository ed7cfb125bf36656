"""`wsgi.file_wrapper`: a real file goes to the dispatcher, from where it stands; what only its own `read` can read is read."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from prefork.worker.hosts.wsgi import FileWrapper

from .conftest import request

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Application, Bench

DATA = bytes(range(256)) * 512


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def wraps(file: Any, *headers: tuple[str, str]) -> Application:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), *headers])
        return environ["wsgi.file_wrapper"](file, 1 << 16)

    return application


def sent(bench: Bench, file: Any, *headers: tuple[str, str]) -> tuple[bytes, bool]:
    """The body that arrives, and whether a part of it came as a file."""
    bench.run(wraps(file, *headers))
    parts = list(bench.rests())
    data = bench.received() + b"".join(part for part, _ in parts)
    return data.partition(b"\r\n\r\n")[2], any(in_file for _, in_file in parts)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_file_goes_from_where_it_stands(bench: Bench, path: Path, buffering: int) -> None:
    for skip in (0, 1, 60_000):
        file = path.open("rb", buffering=buffering)
        file.seek(skip)
        assert FileWrapper(file).span() == (file.fileno(), skip, len(DATA) - skip)
        assert sent(bench, file) == (DATA[skip:], True)
        assert file.closed


def test_what_has_been_read_ahead_is_not_lost(path: Path) -> None:
    with open(path, "rb") as file:
        file.read(10)
        assert file.raw.tell() > 10
        assert FileWrapper(file).span() == (file.fileno(), 10, len(DATA) - 10)


def test_no_more_than_is_announced(bench: Bench, path: Path) -> None:
    assert sent(bench, path.open("rb"), ("Content-Length", "100000")) == (DATA[:100_000], True)
    assert not bench.reply.failed
    assert sent(bench, path.open("rb"), ("Content-Length", "5")) == (DATA[:5], False)


def test_less_than_is_announced_is_cut(bench: Bench, path: Path) -> None:
    sent(bench, path.open("rb"), ("Content-Length", str(len(DATA) + 1)))
    assert bench.reply.failed


def test_temporary_files(bench: Bench) -> None:
    for make in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile):
        file = make()
        file.write(DATA)
        file.seek(5)
        assert sent(bench, file) == (DATA[5:], True)
        assert file.closed


def test_bytes_that_are_written_and_not_flushed(bench: Bench, path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"changed")
        assert FileWrapper(file).span() == (file.fileno(), 7, len(DATA) - 7)
        file.seek(0)
        assert sent(bench, file) == (b"changed" + DATA[7:], True)


class Rot13(io.BufferedReader):
    """An application's own class: only its `read` knows what is in its file."""

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(byte ^ 13 for byte in super().read(size))


def test_what_only_its_own_read_can_read_is_read(bench: Bench, path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(DATA))
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("data", DATA)
    opened = zipfile.ZipFile(archive)
    spooled: Any = tempfile.SpooledTemporaryFile(1)  # noqa: SIM115 - what is wrapped is closed with its answer
    spooled.write(DATA)
    spooled.seek(0)
    for file in (gzip.GzipFile(packed), opened.open("data"), io.BytesIO(DATA), spooled):
        assert FileWrapper(file).span() is None
        body, _ = sent(bench, file, ("Content-Length", str(len(DATA))))
        assert body == DATA
    opened.close()
    with Rot13(io.FileIO(path)) as own:
        assert FileWrapper(own).span() is None
        assert sent(bench, own, ("Content-Length", str(len(DATA))))[0] == bytes(byte ^ 13 for byte in DATA)


def test_a_file_that_has_contents_and_no_size(bench: Bench) -> None:
    """As below /proc."""
    with open("/proc/self/status", "rb") as file:
        assert FileWrapper(file).span() is None
        assert b"Name:" in bench.ask(wraps(file)).body


def test_at_its_end_there_is_nothing_to_hand_over(bench: Bench, path: Path) -> None:
    for skip in (len(DATA), len(DATA) + 5):
        file = path.open("rb")
        file.seek(skip)
        assert FileWrapper(file).span() is None
        answer = bench.ask(wraps(file))
        assert (answer.body, answer.getheader("content-length")) == (b"", "0")


def test_pipes_are_read(bench: Bench) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    with open(reading, "rb", buffering=0) as pipe:
        assert FileWrapper(pipe).span() is None
        assert bench.ask(wraps(pipe)).body == b"through a pipe"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_head_and_old_clients(bench: Bench, path: Path, version: str) -> None:
    answer = bench.ask(wraps(path.open("rb")), request(version=version))
    assert (answer.body, answer.getheader("content-length")) == (DATA, str(len(DATA)))
    assert bench.reply.keep
    answer = bench.ask(wraps(path.open("rb")), request("HEAD", version=version))
    assert (answer.body, answer.rest, answer.getheader("content-length")) == (b"", b"", str(len(DATA)))


def test_after_write_it_is_the_rest_of_the_body(bench: Bench, path: Path) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", str(3 + len(DATA)))])
        write(b"abc")
        return environ["wsgi.file_wrapper"](path.open("rb"))

    assert bench.ask(application).body == b"abc" + DATA


def test_it_is_closed_whatever_happens(bench: Bench, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = path.open("rb")
    bench.run(wraps(file, ("bad name", "x")))
    assert file.closed
    assert "bad name" in capsys.readouterr().err
    assert not hasattr(FileWrapper(object()), "close")
