"""Files under the hash of their content: whole or absent, kept once, collected only when nobody means them."""

import hashlib
import io
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork import filestore
from prefork.filestore import Damaged, Filestore, TooLarge
from prefork.given import NotGiven


@pytest.fixture
def store(tmp_path: Path) -> Filestore:
    return Filestore(tmp_path / "files")


def put(store: Filestore, content: bytes) -> str:
    return store.put(io.BytesIO(content))


def age(store: Filestore, key: str, seconds: float = 2 * filestore.DAY) -> None:
    past = time.time() - seconds
    os.utime(store.path(key), (past, past))


def left(store: Filestore) -> set[str]:
    return {path.name for path in Path(store.files.root).rglob("*") if path.is_file() and path.name != ".lock"}


@given(contents=st.lists(st.binary(max_size=2000), max_size=8))
@settings(max_examples=50)
def test_what_is_put_in_comes_out_and_is_kept_once(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    store = Filestore(tmp_path_factory.mktemp("files"))
    keys = [put(store, content) for content in contents]
    assert keys == [hashlib.sha256(content).hexdigest() for content in contents]
    assert set(store) == set(keys) == left(store)
    for key, content in zip(keys, contents, strict=True):
        with store.open(key, verify=True) as file:
            assert file.read() == content


@given(used=st.sets(st.integers(0, 5)), fresh=st.sets(st.integers(0, 5)))
@settings(max_examples=50)
def test_exactly_what_is_old_and_unused_is_collected(
    tmp_path_factory: pytest.TempPathFactory, used: set[int], fresh: set[int]
) -> None:
    store = Filestore(tmp_path_factory.mktemp("files"))
    keys = [put(store, b"%d" % number) for number in range(6)]
    for number in set(range(6)) - fresh:
        age(store, keys[number])
    store.collect(keys[number] for number in used)
    assert set(store) == {keys[number] for number in used | fresh}


@given(st.text(max_size=70))
def test_what_is_no_key_leads_nowhere(key: str) -> None:
    store = Filestore("/nowhere")
    assert key not in store
    with pytest.raises(ValueError, match="no key of a file"):
        store.open(key)


@pytest.mark.parametrize("key", ["../" * 10 + "etc/passwd", "a" * 63 + "\n", "A" * 64, "a" * 64 + "\n", "a" * 65])
def test_nothing_else_can_be_reached(store: Filestore, key: str) -> None:
    with pytest.raises(ValueError, match="no key of a file"):
        store.path(key)


def write_often(directory: Path, rounds: int) -> None:
    store = Filestore(directory)
    for number in range(rounds):
        put(store, b"%d" % (number % 3) * 100_000)


def test_processes_that_write_the_same_content_while_it_is_collected(tmp_path: Path) -> None:
    store = Filestore(tmp_path)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(tmp_path, 60)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        store.collect([])
        store.collect([], older_than=0.0)  # harsher than anybody should be: what is whole may go, nothing may be torn
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert all(store.verify(key) for key in store)
    assert left(store) == set(store)


def test_a_file_that_is_put_in_again_is_not_collected(store: Filestore) -> None:
    key = put(store, b"fork")
    age(store, key)
    assert put(store, b"fork") == key
    assert store.collect([]) == 0
    age(store, key)
    assert store.collect([]) == 1
    assert key not in store


def test_a_file_that_is_put_in_between_look_and_removal_stays(store: Filestore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = put(store, b"fork")
    age(store, key)
    drop = store._drop
    monkeypatch.setattr(store, "_drop", lambda *args: (put(store, b"fork"), drop(*args))[1])
    assert store.collect([]) == 0
    assert store.verify(key)


@pytest.mark.parametrize("fails", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_nothing_behind(store: Filestore, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, full)
        with pytest.raises(OSError, match="No space left"):
            put(store, b"fork")
    assert left(store) == set()


def test_too_much_is_refused_and_leaves_nothing_behind(store: Filestore) -> None:
    assert store.put(io.BytesIO(b"fork"), limit=4) in store
    with pytest.raises(TooLarge, match="more than 4 bytes"):
        store.put(io.BytesIO(b"forks"), limit=4)
    assert len(left(store)) == 1


def test_drafts_of_the_dead_are_cleared_away(store: Filestore) -> None:
    put(store, b"fork")
    for name, seconds in (("old", 2 * filestore.DAY), ("new", 0.0)):
        draft = Path(store.files.root, "00", f".draft-{name}")
        draft.parent.mkdir(exist_ok=True)
        draft.write_text("half")
        os.utime(draft, (time.time() - seconds, time.time() - seconds))
    store.collect([])
    assert {name for name in left(store) if name.startswith(".")} == {".draft-new"}


def test_what_was_damaged_is_found(store: Filestore) -> None:
    key = put(store, b"fork")
    Path(store.path(key)).write_bytes(b"spoon")
    assert not store.verify(key)
    with pytest.raises(Damaged, match=key):
        store.open(key, verify=True)


def ask(store: Filestore, key: str, method: str = "GET", environ: dict[str, str] | None = None, **more: Any) -> Any:
    answer = store.answer({"REQUEST_METHOD": method, **(environ or {})}, key, **more)
    body = b"".join(answer.body)
    if hasattr(answer.body, "close"):
        answer.body.close()
    return answer.status, dict(answer.headers), body


def test_an_answer_says_what_the_file_is(store: Filestore) -> None:
    key = put(store, b"a fork")
    status, headers, body = ask(store, key, name="Gabel.pdf", max_age=60)
    assert (status, body) == ("200 OK", b"a fork")
    del headers["Last-Modified"]
    assert headers == {
        "Content-Type": "application/pdf",
        "Content-Disposition": 'attachment; filename="Gabel.pdf"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=60, immutable",
        "ETag": f'"{key}"',
        "Accept-Ranges": "bytes",
        "Content-Length": "6",
    }


def test_conditions_and_ranges(store: Filestore) -> None:
    key = put(store, b"0123456789")
    assert ask(store, key, environ={"HTTP_IF_NONE_MATCH": f'"{key}"'})[::2] == ("304 Not Modified", b"")
    status, headers, body = ask(store, key, environ={"HTTP_RANGE": "bytes=2-4"})
    assert (status, headers["Content-Range"], body) == ("206 Partial Content", "bytes 2-4/10", b"234")
    assert ask(store, key, environ={"HTTP_RANGE": "bytes=20-"})[::2] == ("416 Requested Range Not Satisfiable", b"")


def test_it_is_handed_to_the_server_or_named_to_a_proxy(store: Filestore, tmp_path: Path) -> None:
    key = put(store, b"fork")
    answer = store.answer({"REQUEST_METHOD": "GET", "wsgi.file_wrapper": lambda file, size: [file]}, key)
    (file,) = answer.body
    with file:
        assert file.name == store.path(key)
    behind = Filestore(store.files.root, accel="/files/")
    status, headers, body = ask(behind, key)
    assert (status, headers["X-Accel-Redirect"], body) == ("200 OK", f"/files/{key[:2]}/{key}", b"")
    for each in (store, behind):
        with pytest.raises(FileNotFoundError):
            each.answer({"REQUEST_METHOD": "GET"}, "0" * 64)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("image/png", True), ("application/pdf", True), ("image/svg+xml", False), ("text/html", False), ("text/plain", True)],
)
def test_what_could_run_in_a_browser_is_not_shown_there(store: Filestore, kind: str, shown: bool) -> None:
    _, headers, _ = ask(store, put(store, b"x"), name="x", type=kind, inline=True)
    assert headers["Content-Disposition"].startswith("inline" if shown else "attachment")


def test_names_in_any_language() -> None:
    assert filestore.disposition("fork.pdf", False) == 'attachment; filename="fork.pdf"'
    said = filestore.disposition('C:\\Über "100 %"\r\n\x00.pdf', True)
    assert said == "inline; filename=\"_ber _100 __.pdf\"; filename*=UTF-8''%C3%9Cber%20%22100%20%25%22.pdf"


@given(st.text(max_size=40))
def test_no_name_ends_the_header(name: str) -> None:
    said = filestore.disposition(name, False)
    assert said.isascii()
    assert said.isprintable()
    assert said.partition("filename*")[0].count('"') == 2


def test_outside_of_a_server_a_directory_has_to_be_named() -> None:
    with pytest.raises(NotGiven, match=r"Filestore\(directory\)"):
        filestore.configured()
