"""`--dev`: what is saved is served, what is broken is not, and nobody notices."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Changing = Callable[..., Server]
threads_and_processes = pytest.mark.parametrize("workers", [0, 2], ids=["threads", "processes"])


def version(server: Server) -> str:
    with Connection("127.0.0.1", server.port) as connection:
        return connection.exchange(Request("/")).body.decode()


@pytest.mark.story
@threads_and_processes
def test_a_saved_file_is_served(changing: Changing, code, workers: int) -> None:
    with changing(workers=workers, dev=True) as server, Load(server.url, threads=2) as load:
        server.wait_for("watching")
        code.write("two")
        assert "changing.py" in server.wait_for("files_changed")["files"]
        server.wait_for("reload_done")
        assert version(server) == "two"
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


@threads_and_processes
def test_a_broken_save_keeps_the_old_code_and_the_next_one_is_served(changing: Changing, code, workers: int) -> None:
    with changing(workers=workers, dev=True) as server:
        server.wait_for("watching")
        code.write("two", before="this is no Python")
        failed = server.wait_for("reload_failed")
        assert "SyntaxError" in failed["reason"]
        assert failed["traceback"].startswith("  File"), "the application's frames only"
        assert version(server) == "one"
        code.write("three")
        server.wait_for("reload_done", generation=3)
        assert version(server) == "three"


def test_code_that_is_broken_at_the_start_is_waited_for(changing: Changing, code) -> None:
    code.write("one", before="import no_such_module_anywhere")
    server = changing(workers=0, dev=True).launch()
    try:
        server.wait_for("change_awaited")
        server.wait_for("watching")
        assert "no_such_module_anywhere" in server.events("template_failed")[0]["traceback"]
        code.write("two", before="import no_such_module_either")
        server.wait_for("template_failed", reason="ModuleNotFoundError: No module named 'no_such_module_either'")
        code.write("three")
        server.wait_for("server_ready")
        assert version(server) == "three"
    finally:
        server.close()


def test_workers_that_cannot_get_ready_wait_for_a_change_too(changing: Changing, code) -> None:
    code.write("one", before="import no_such_module_anywhere")
    server = changing(workers=1, preload="false", dev=True).launch()
    try:
        server.wait_for("watching")
        server.wait_for("crash_loop", failures=4)
        code.write("two")
        server.wait_for("server_ready")
        assert version(server) == "two"
    finally:
        server.close()


def test_files_in_new_directories_count_too(changing: Changing, code) -> None:
    with changing(workers=0, dev=True) as server:
        server.wait_for("watching")
        package = code.directory / "package" / "below"
        package.mkdir(parents=True)
        (package / "late.py").write_text("version = 'late'\n")
        server.wait_for("reload_done", generation=2)
        mark = server.mark()
        (package / "late.py").write_text("version = 'later'\n")
        assert server.wait_for("files_changed", after=mark)["files"] == ["package/below/late.py"]


def test_files_behind_links_count_too(changing: Changing, code, tmp_path: Path) -> None:
    """A library that is developed beside the application, and linked into it."""
    library = tmp_path.with_name(tmp_path.name + "-library")
    library.mkdir()
    (library / "goods.py").write_text("price = 1\n")
    (code.directory / "library").symlink_to(library)
    with changing(workers=0, dev=True) as server:
        server.wait_for("watching")
        (library / "goods.py").write_text("price = 2\n")
        assert server.wait_for("files_changed")["files"] == ["library/goods.py"]
        server.wait_for("reload_done")


def test_an_application_that_is_replaced_as_a_whole_is_noticed(changing: Changing, code, tmp_path: Path) -> None:
    """A checkout or a copy: its directory goes, and another one comes in its place."""
    with changing(workers=0, dev=True) as server:
        server.wait_for("watching")
        code.directory.rename(tmp_path.with_name(tmp_path.name + "-old"))
        code.directory.mkdir()
        code.write("two")
        server.wait_for("reload_done")
        assert version(server) == "two"
        code.write("three")
        server.wait_for("reload_done", generation=3)
        assert version(server) == "three"


def test_the_configuration_file_counts_too(changing: Changing) -> None:
    with changing(workers=0, threads=2, dev=True) as server:
        server.wait_for("watching")
        server.configure(threads=3)
        assert server.wait_for("files_changed")["files"] == [server.configuration]
        server.wait_for("reload_done")
        assert server.status()["threads"] == 3


def test_who_does_not_want_it_any_more_has_no_watcher(changing: Changing, code) -> None:
    with changing(workers=1, dev=True) as server:
        server.wait_for("watching")
        assert watchers(server)
        server.configure(dev=False)
        server.wait_for("reload_done")
        server.reload()
        assert not watchers(server)


def test_a_watcher_that_dies_is_started_again(changing: Changing, code) -> None:
    with changing(workers=1, dev=True) as server:
        server.wait_for("watching")
        mark = server.mark()
        os.kill(watchers(server)[0], signal.SIGKILL)
        assert "SIGKILL" in server.wait_for("watcher_failed", after=mark)["reason"]
        server.wait_for("watching", after=mark)
        code.write("two")
        server.wait_for("reload_done")
        assert version(server) == "two"


def test_the_watcher_dies_with_its_master(changing: Changing) -> None:
    with changing(workers=1, dev=True) as server:
        server.wait_for("watching")
        server.signal(signal.SIGKILL)
        server.exit_status()


def watchers(server: Server) -> list[int]:
    return [pid for pid in server.tree() if b"prefork: watcher" in command(pid)]


def command(pid: int) -> bytes:
    """The command line of a process, empty when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
