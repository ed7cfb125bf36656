"""Answers that only name a file: which one is sent, which part of it, and what becomes of everything else that was said."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from prefork.messages import INLINE
from prefork.worker import offload
from prefork.worker.offload import Offload

from .conftest import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Application, Bench

MODIFIED, DATE = 784111777, "Sun, 06 Nov 1994 08:49:37 GMT"
LARGE = bytes(range(256)) * 1024  # more than is copied


@pytest.fixture
def public(bench: Bench, tmp_path: Path) -> Path:
    """Files that may be named, hello.txt and large.bin; secret.txt lies beside them."""
    public = tmp_path / "public"
    public.mkdir()
    for name, contents in (("hello.txt", b"hello, world"), ("large.bin", LARGE), ("empty", b""), ("other.txt", b"other")):
        (public / name).write_bytes(contents)
        os.utime(public / name, (MODIFIED, MODIFIED))
    (tmp_path / "secret.txt").write_bytes(b"secret")
    bench.allow(public, internal=public)
    return public


def names(path: object, status: str = "200 OK", result: Any = (b"instead",), **said: str) -> Application:
    """An application that names a file."""
    headers = [("X-Sendfile", str(path)), *((name.replace("_", "-"), value) for name, value in said.items())]

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, headers)
        return result(environ) if callable(result) else list(result)

    return application


def asked(method: str = "GET", **headers: str) -> Any:
    lines = [(b"host", b"h"), *((name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items())]
    return request(method, headers=lines)


def tag(bench: Bench, path: Path) -> str:
    return str(bench.ask(names(path)).getheader("etag"))


# Bodies.


@pytest.mark.parametrize(("name", "contents"), [("hello.txt", b"hello, world"), ("large.bin", LARGE), ("empty", b"")])
def test_the_file_is_the_body(bench: Bench, public: Path, name: str, contents: bytes) -> None:
    answer = bench.ask(names(public / name))
    assert (answer.status, answer.body, answer.rest) == (200, contents, b"")
    assert answer.getheader("content-length") == str(len(contents))
    assert answer.getheader("last-modified") == DATE
    assert answer.getheader("accept-ranges") == "bytes"
    assert answer.getheader("x-sendfile") is None
    assert bench.reply.keep
    assert not bench.reply.failed


def test_a_large_file_goes_as_its_descriptor(bench: Bench, public: Path) -> None:
    assert len(LARGE) > INLINE
    bench.run(names(public / "large.bin"))
    assert bench.received() == b"", "the head stays before the file"
    head, file = bench.rests()
    assert (head[1], file) == (False, (LARGE, True))
    assert bench.reply.sent == len(head[0]) + len(LARGE)


def generator(environ: dict[str, Any]) -> Any:
    yield b"a"
    yield b"b" * 500_000


def wrapper(public: Path) -> Callable[[dict[str, Any]], Any]:
    return lambda environ: environ["wsgi.file_wrapper"]((public / "large.bin").open("rb"))


@pytest.mark.parametrize("said", ["list", "nothing", "generator", "wrapper"])
@pytest.mark.parametrize("asks", ["", "bytes=2-4"])
def test_of_another_body_nothing_is_sent(
    bench: Bench, public: Path, said: str, asks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"list": (b"instead",), "nothing": (), "generator": generator, "wrapper": wrapper(public)}
    answer = bench.ask(names(public / "hello.txt", result=results[said]), asked(Range=asks) if asks else None)
    assert (answer.body, answer.rest) == (b"llo" if asks else b"hello, world", b"")
    assert bench.reply.keep
    assert capsys.readouterr().err == "", "and nothing is said of it"


@pytest.mark.parametrize("said", ["list", "generator", "wrapper"])
def test_neither_beside_a_file_that_is_not_there(bench: Bench, public: Path, said: str) -> None:
    results = {"list": (b"instead",), "generator": generator, "wrapper": wrapper(public)}
    answer = bench.ask(names(public / "nothing", result=results[said]))
    assert answer.status == 404
    assert b"There is nothing here." in answer.body
    assert answer.rest == b""
    assert bench.reply.keep


def test_head(bench: Bench, public: Path) -> None:
    for name, contents in (("hello.txt", b"hello, world"), ("large.bin", LARGE)):
        answer = bench.ask(names(public / name), asked("HEAD"))
        assert (answer.status, answer.body, answer.rest) == (200, b"", b"")
        assert answer.getheader("content-length") == str(len(contents))


# Conditions and ranges.


def test_not_modified(bench: Bench, public: Path) -> None:
    path = public / "hello.txt"
    for headers in ({"If_None_Match": tag(bench, path)}, {"If_Modified_Since": DATE}):
        answer = bench.ask(names(path, Cache_Control="private"), asked(**headers))
        assert (answer.status, answer.body, answer.rest) == (304, b"", b"")
        assert answer.getheader("content-length") is None
        assert answer.getheader("cache-control") == "private"
        assert answer.getheader("etag") == tag(bench, path)


def test_precondition_failed(bench: Bench, public: Path) -> None:
    answer = bench.ask(names(public / "hello.txt"), asked(If_Match='"other"'))
    assert (answer.status, answer.body, answer.rest) == (412, b"", b"")
    assert bench.reply.keep


@pytest.mark.parametrize("name", ["hello.txt", "large.bin"])
def test_a_range(bench: Bench, public: Path, name: str) -> None:
    whole = (public / name).read_bytes()
    for offset, end in ((0, 0), (3, 7), (len(whole) - 1, len(whole) - 1), (1, len(whole) - 1)):
        answer = bench.ask(names(public / name), asked(Range=f"bytes={offset}-{end}"))
        assert (answer.status, answer.body, answer.rest) == (206, whole[offset : end + 1], b"")
        assert answer.getheader("content-range") == f"bytes {offset}-{end}/{len(whole)}"
        assert answer.reason == "Partial Content"


def test_a_range_outside(bench: Bench, public: Path) -> None:
    answer = bench.ask(names(public / "hello.txt"), asked(Range="bytes=12-"))
    assert (answer.status, answer.body, answer.rest) == (416, b"", b"")
    assert answer.getheader("content-range") == "bytes */12"


def test_a_post_gets_the_whole_whatever_its_conditions(bench: Bench, public: Path) -> None:
    """What it wanted has been done."""
    answer = bench.ask(names(public / "hello.txt"), asked("POST", If_None_Match="*", If_Match='"x"', Range="bytes=0-0"))
    assert (answer.status, answer.body) == (200, b"hello, world")


def test_another_status_gets_the_whole(bench: Bench, public: Path) -> None:
    headers = {"If_None_Match": tag(bench, public / "hello.txt"), "Range": "bytes=0-0"}
    answer = bench.ask(names(public / "hello.txt", status="403 Go Away"), asked(**headers))
    assert (answer.status, answer.reason, answer.body) == (403, "Go Away", b"hello, world")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body_stays_without(bench: Bench, public: Path, status: str) -> None:
    for name in ("hello.txt", "large.bin"):
        answer = bench.ask(names(public / name, status=status))
        assert (answer.status, answer.body, answer.rest) == (int(status[:3]), b"", b"")
        assert bench.reply.keep


# What the application says about it.


def test_the_applications_word_counts(bench: Bench, public: Path) -> None:
    own = {"Content_Type": "text/x-own", "ETag": '"own"', "Last_Modified": "Mon, 07 Nov 1994 08:49:37 GMT", "X_Own": "y"}
    answer = bench.ask(names(public / "hello.txt", **own, Content_Length="7", Content_Range="bytes 0-6/7", X_Accel_Buffering="no"))
    for name, value in own.items():
        assert answer.headers.get_all(name.replace("_", "-")) == [value]
    assert answer.headers.get_all("Content-Length") == ["12"]
    assert answer.getheader("content-range") is None
    assert answer.getheader("x-accel-buffering") is None


def test_its_tag_and_date_are_those_that_conditions_are_about(bench: Bench, public: Path) -> None:
    path = public / "hello.txt"
    its_tag = tag(bench, path)
    tagged = names(path, ETag='W/"own"')
    assert bench.ask(tagged, asked(If_None_Match='"own"')).status == 304
    assert bench.ask(tagged, asked(If_None_Match=its_tag)).status == 200
    assert bench.ask(tagged, asked(If_Match='W/"own"')).status == 412
    dated = names(path, Last_Modified="Mon, 07 Nov 1994 08:49:37 GMT")
    assert bench.ask(dated, asked(If_Modified_Since=DATE)).status == 200
    assert bench.ask(dated, asked(If_Modified_Since="Mon, 07 Nov 1994 08:49:37 GMT")).status == 304
    odd = names(path, Last_Modified="recently")
    assert bench.ask(odd, asked(If_Modified_Since=DATE)).status == 304


def test_the_type_is_told_from_the_name(bench: Bench, public: Path) -> None:
    assert bench.ask(names(public / "hello.txt")).getheader("content-type") == "text/plain; charset=utf-8"
    assert bench.ask(names(public / "large.bin")).getheader("content-type") == "application/octet-stream"


# Which file.


def accel(value: str) -> Application:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("x-accel-redirect", value), ("X-SENDFILE", "/etc/passwd")])
        return []

    return application


@pytest.mark.parametrize("value", ["/internal/hello.txt", "/internal//hello.txt?x=y", "/internal/%68ello.txt"])
def test_an_internal_place(bench: Bench, public: Path, value: str) -> None:
    assert bench.ask(accel(value)).body == b"hello, world"


@pytest.mark.parametrize("value", ["/internal/", "/internal/../secret.txt", "/internal/%2e%2e/secret.txt", "/etc/passwd", "", "x"])
def test_no_internal_place(bench: Bench, public: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    answer = bench.ask(accel(value))
    assert answer.status == 404
    assert b"secret" not in answer.body
    assert "accel_redirects" in capsys.readouterr().err


def test_any_of_several_roots(bench: Bench, public: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.txt").write_bytes(b"b")
    bench.allow(other, public)
    assert bench.ask(names(public / "hello.txt")).body == b"hello, world"
    assert bench.ask(names(other / "b.txt")).body == b"b"
    assert bench.ask(names(other / ".." / "secret.txt")).status == 404


def test_a_way_that_is_not_declared_passes(bench: Bench, public: Path) -> None:
    bench.allow(internal=public)
    answer = bench.ask(names(public / "hello.txt"))
    assert (answer.getheader("x-sendfile"), answer.body) == (str(public / "hello.txt"), b"instead")


def test_a_disk_that_fails_is_no_absence(bench: Bench, public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 404 may be remembered by whoever sees it."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(offload, "open_below", fail)
    assert bench.ask(names(public / "hello.txt")).status == 503


# Nothing is left open: the bench looks.


def test_an_application_that_changes_its_mind(bench: Bench, public: Path) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("X-Sendfile", str(public / "large.bin"))])
        bench.reply.begin("200 OK", [("X-Sendfile", str(public / "other.txt"))])
        start_response("200 OK", [("X-Sendfile", str(public / "hello.txt"))], (LookupError, LookupError(), None))
        return []

    assert bench.ask(application).body == b"hello, world"


@pytest.mark.parametrize("header", [("X-Bad", "a\nb"), ("X-Bad", "€"), ("bad name", "x")])
def test_a_header_that_may_not_be_sent(
    bench: Bench, public: Path, capsys: pytest.CaptureFixture[str], header: tuple[str, str]
) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("X-Sendfile", str(public / "large.bin")), header])
        return []

    answer = bench.ask(application)
    assert (answer.status, answer.rest) == (500, b"")
    assert "raised in worker" in capsys.readouterr().err


def test_a_failure_behind_the_name(bench: Bench, public: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("X-Sendfile", str(public / "large.bin"))])
        yield b""
        raise LookupError

    assert bench.ask(application).status == 500
    assert "LookupError" in capsys.readouterr().err


def test_a_file_that_nobody_wants(bench: Bench, public: Path) -> None:
    """The client has left before the application says anything."""
    bench.theirs.close()
    bench.run(names(public / "large.bin"))
    assert bench.reply.gone


# The header itself.


def test_what_counts_as_a_name() -> None:
    both = Offload(("/a",), (("/b", "/c"),))
    assert both.named([("Content-Type", "x"), ("x-sendFILE", "/a/f")]) == ("x-sendfile", "/a/f")
    assert both.named([("X-Sendfile", "/a/f"), ("X-Accel-Redirect", "/b/f")]) == ("x-accel-redirect", "/b/f")
    assert both.named([("X-Sendfiles", "/a/f"), ("Content-Type", "x")]) is None
    assert Offload(("/a",), ()).named([("X-Accel-Redirect", "/b/f")]) is None
    assert Offload((), (("/b", "/c"),)).named([("X-Sendfile", "/b/f")]) is None
