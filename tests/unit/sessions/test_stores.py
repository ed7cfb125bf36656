"""What each store promises, on its own: those in a server of their own are real ones."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefork.sessions import FileStore, MemoryStore, RedisStore, Unavailable
from prefork.sessions.stores import link, resp
from prefork.testing import free_port

KEY, OTHER = "a" * 40, "b" * 40
ONE = {"one": "1"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis of our own, with a password."""
    place, port = tmp_path_factory.mktemp("redis"), free_port()
    program = shutil.which("redis-server")
    assert program, "redis-server is missing: apt-get install redis-server"
    options = ["--bind", "127.0.0.1", "--save", "", "--requirepass", "pa:ss@word", "--unixsocket", str(place / "redis.sock")]
    command = ["setpriv", "--pdeathsig", "KILL", program, "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert any("eady to accept connections" in line for line in process.stdout)
            yield f"redis://:pa%3Ass%40word@127.0.0.1:{port}/1"
        finally:
            process.kill()


@pytest.fixture(params=["file", "memory", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "redis":
        made = RedisStore(request.getfixturevalue("redis"))
        made.link.use(lambda redis: redis.ask("FLUSHDB"))
        return made
    return FileStore(tmp_path / "sessions") if request.param == "file" else MemoryStore()


class TestStore:
    def test_what_is_kept_can_be_read_changed_and_forgotten(self, store: Any) -> None:
        assert store.load(KEY) is None
        store.create(KEY, {"one": "1", "two": "2"}, 60)
        assert (store.load(KEY), store.load(OTHER)) == ({"one": "1", "two": "2"}, None)
        assert store.update(KEY, {"two": "ü", "three": "3"}, ["one", "four"], 60)
        assert store.load(KEY) == {"two": "ü", "three": "3"}
        store.delete(KEY)
        store.delete(KEY)
        assert store.load(KEY) is None

    def test_what_is_gone_is_not_brought_back(self, store: Any) -> None:
        assert not store.update(KEY, ONE, [], 60)
        assert not store.end(KEY, 60)
        assert store.load(KEY) is None

    def test_an_ended_one_is_remembered_and_stays_ended(self, store: Any) -> None:
        store.create(KEY, ONE, 60)
        assert store.end(KEY, 60)
        assert store.load(KEY) == {}
        assert store.update(KEY, ONE, [], 60)
        assert store.load(KEY) == {}

    def test_all_of_its_fields_may_be_taken_out_and_it_lives_on(self, store: Any) -> None:
        store.create(KEY, {"one": "1", "two": "2"}, 60)
        assert store.update(KEY, {"two": "3"}, ["one"], 60)
        assert store.update(KEY, {}, [], 60)
        assert store.load(KEY) == {"two": "3"}

    def test_it_expires(self, store: Any) -> None:
        store.create(KEY, ONE, 0.05)
        store.create(OTHER, {"two": "2"}, 60)
        for _ in range(500):
            if store.load(KEY) is None:
                break
            threading.Event().wait(0.01)
        assert store.load(KEY) is None
        assert not store.update(KEY, ONE, [], 60)
        assert store.collect() == (0 if isinstance(store, RedisStore) else 1)
        assert store.load(OTHER) == {"two": "2"}

    def test_of_updates_at_once_none_gets_lost(self, store: Any) -> None:
        store.create(KEY, ONE, 60)

        def write(writer: int) -> None:
            for number in range(20):
                assert store.update(KEY, {f"{writer}.{number}": ""}, [f"{writer}.{number - 1}"], 60)
                assert store.update(KEY, {f"{writer}.{number} kept": ""}, [], 60)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.load(KEY)) == 1 + 8 + 8 * 20


def test_files_are_for_nobody_else(tmp_path: Path) -> None:
    FileStore(tmp_path / "sessions").create(KEY, ONE, 60)
    modes = {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "sessions").rglob("*")}
    assert modes == {"0o700", "0o600"}


def test_sweeping_looks_into_one_directory_at_a_time(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for shelf in ("00", "01"):
        for number in range(3):
            store.create(shelf + f"{number:038d}", ONE, -1)
    assert [store.collect(2) for _ in range(256)] == [2, 2, *[0] * 254]
    assert store.collect(2) == 1
    assert store.collect() == 1


def test_a_directory_that_cannot_be_used_is_an_outage_and_no_empty_session(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("a file")
    store = FileStore(tmp_path / "sessions")
    for call in (lambda: store.load(KEY), lambda: store.create(KEY, ONE, 1), lambda: store.delete(KEY)):
        with pytest.raises(Unavailable, match="the directory of sessions cannot be used"):
            call()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    store.create(KEY, ONE, 60)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="No space left"):
            store.update(KEY, {"two": "2"}, [], 60)
    assert store.load(KEY) == ONE
    assert sorted(path.name for path in (tmp_path / "aa").iterdir()) == [".lock", KEY]


def test_redis_is_reached_again_after_its_connections_were_cut(redis: str) -> None:
    store = RedisStore(redis)
    store.create(KEY, ONE, 60)
    with contextlib.closing(resp.Connection(resp.address(redis), 2)) as operator:
        operator.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert store.load(KEY) == ONE


def test_redis_over_its_unix_socket(redis: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = RedisStore(f"unix://:pa%3Ass%40word@{tmp_path_factory.getbasetemp()}/redis0/redis.sock?db=2")
    store.create(KEY, ONE, 60)
    assert store.load(KEY) == ONE


def test_a_wrong_password_is_told_without_any(redis: str) -> None:
    with pytest.raises(Unavailable, match="Redis refused: WRONGPASS") as caught:
        RedisStore(redis.replace("pa%3Ass", "other")).load(KEY)
    assert "other" not in str(caught.value)


def test_an_outage_is_told_once_and_tried_again_after_a_pause(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(f"redis://127.0.0.1:{free_port()}")
    for _ in range(3):
        with pytest.raises(Unavailable, match="cannot be reached"):
            store.load(KEY)
    assert capfd.readouterr().err.count("sessions are not available") == 1
    tried: list[float] = []
    monkeypatch.setattr(store.link, "connect", lambda: tried.append(1) or Answering())
    with pytest.raises(Unavailable):
        store.load(KEY)
    assert not tried
    monkeypatch.setattr(link, "PAUSE", 0.0)
    assert store.load(KEY) == ONE
    assert "available again" in capfd.readouterr().err


class Answering:
    def ask(self, *words: str) -> list[bytes]:
        return [b"one", b"1"]

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "looks like"),
        ("redis://host:port", "port"),
        ("redis://host/first", "database"),
        ("unix://", "path"),
        ("http://:secret@host", "looks like"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        RedisStore(url)
    assert "secret" not in str(caught.value)


def test_addresses() -> None:
    assert resp.address("rediss://ada:p%20w@host:7000/3") == resp.Address("host", 7000, True, "ada", "p w", 3)
    assert resp.address("redis://host") == resp.Address("host", 6379, False, None, None, 0)
