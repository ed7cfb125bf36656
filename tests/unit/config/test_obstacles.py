import importlib.util
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from prefork.config import Settings

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that is not root and may write nowhere but below /tmp-like test directories."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getegid", lambda: 12345)


def test_missing_places(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    missing = tmp_path / "missing"
    assert problems("app_dir = missing\npython = missing/python\ndata_dir = file/x\nlogfile = missing/x.log\npidfile = .") == [
        f"odoo.conf:1: app_dir: {missing} is not a directory; name the one that holds the application",
        f"odoo.conf:2: python: {missing}/python does not exist; name the interpreter of the application's environment",
        f"odoo.conf:3: data_dir: {tmp_path}/file/x cannot be a directory, as {tmp_path}/file is none; choose another",
        f"odoo.conf:4: logfile: {missing}/x.log cannot be written, as its directory does not exist; create {missing}",
        f"odoo.conf:5: pidfile: {tmp_path} is a directory; name a file",
    ]


def test_an_interpreter_that_is_no_program(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    advice = "is not a program that can be run; name the interpreter of the application's environment"
    assert problems("python = ./text") == [f"odoo.conf:1: python: {tmp_path}/text {advice}"]


def test_places_that_may_not_be_written(problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write everywhere
    data_dir = f"{tmp_path}/a/b cannot be written, as {tmp_path} does not permit it; choose another or change its owner"
    assert problems("data_dir = a/b\nlogfile = x.log\npidfile = x.pid") == [
        f"odoo.conf:1: data_dir: {data_dir}",
        f"odoo.conf:2: logfile: {tmp_path}/x.log cannot be written; choose another file or change the permissions",
        f"odoo.conf:3: pidfile: {tmp_path}/x.pid cannot be written; choose another file or change the permissions",
    ]


def test_what_notices_changes_must_be_there(problems: Problems, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure("dev = True").dev
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert problems("dev = True") == [
        "odoo.conf:1: dev: needs watchfiles, which is not installed beside Prefork; install prefork[watch], or leave the option out"
    ]
    assert not configure("").dev


def test_the_data_directory_may_be_created(configure: Configure, tmp_path: Path) -> None:
    assert configure("data_dir = a/b/c").data_dir == tmp_path / "a" / "b" / "c"
    assert not (tmp_path / "a").exists()


def test_accounts_that_do_not_exist(problems: Problems) -> None:
    assert problems("user = nosuchuser\ngroup = nosuchgroup") == [
        'odoo.conf:1: user: there is no user "nosuchuser" on this machine; create it, or give its number',
        'odoo.conf:2: group: there is no group "nosuchgroup" on this machine; create it, or give its number',
    ]
    assert problems("user = ２\ngroup = ²") == [
        'odoo.conf:1: user: there is no user "２" on this machine; create it, or give its number',
        'odoo.conf:2: group: there is no group "²" on this machine; create it, or give its number',
    ]
    assert problems("user = 4294967295") == ["odoo.conf:1: user: 4294967295 is not a user number; use one below 4294967295"]


@pytest.mark.usefixtures("somebody")
def test_only_root_can_change_the_account(problems: Problems, configure: Configure) -> None:
    assert problems("user = root\ngroup = 0") == [
        'odoo.conf:1: user: only root can run workers as user "root"; start Prefork as root, or leave the option out',
        'odoo.conf:2: group: only root can run workers as group "0"; start Prefork as root, or leave the option out',
    ]
    assert configure("user = 12345\ngroup = 12345").user == "12345"


def test_root_may_use_numbers_without_an_account(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert configure("user = 54321").user == "54321"


def test_places_where_no_socket_can_be(problems: Problems, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert problems("http_interface = unix:file, unix:missing/x.sock, ::1") == [
        f"odoo.conf:1: http_interface: {tmp_path}/file is no socket and is not replaced; remove it, or choose another path",
        (
            f"odoo.conf:1: http_interface: {tmp_path}/missing/x.sock cannot be made, as its directory does not exist; "
            f"create {tmp_path}/missing"
        ),
    ]
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))
    assert configure("http_interface = unix:left.sock").http_interface == (f"unix:{tmp_path}/left.sock",)


@pytest.mark.usefixtures("somebody")
def test_only_members_can_give_a_socket_to_a_group(
    problems: Problems, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getgroups", lambda: [54321])
    sentence = 'only root and members can give a socket to group "11111"; add this account to it, or start Prefork as root'
    assert problems("http_socket_group = 11111") == [f"odoo.conf:1: http_socket_group: {sentence}"]
    assert problems("http_socket_group = nosuchgroup") == [
        'odoo.conf:1: http_socket_group: there is no group "nosuchgroup" on this machine; create it, or give its number'
    ]
    assert configure("http_socket_group = 54321").http_socket_group == "54321"


def test_where_sessions_and_files_are_kept(problems: Problems, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    (tmp_path / "secret").write_text("s" * 40)
    make = f"write one: openssl rand -hex 32 > {tmp_path}/short"
    gone = f"as {tmp_path}/mnt is not a directory; create it, or see whether it is mounted"
    assert problems("session_dir = mnt/sessions\nfilestore = mnt/files\nsession_secret_file = short") == [
        f"odoo.conf:1: session_dir: {tmp_path}/mnt/sessions cannot be made, {gone}",
        f"odoo.conf:2: filestore: {tmp_path}/mnt/files cannot be made, {gone}",
        f"odoo.conf:3: session_secret_file: {tmp_path}/short holds no secret of 32 characters; {make}",
    ]
    (problem,) = problems("session_secret_file = missing")
    assert problem.startswith(f"odoo.conf:1: session_secret_file: {tmp_path}/missing does not exist; make it once, for all nodes")
    settings = configure("session_secret_file = secret\ndata_dir = data\nsession_idle = 1h")
    assert settings.session_dir == tmp_path / "data" / "sessions"
    assert settings.filestore == tmp_path / "data" / "filestore"
    assert configure("data_dir = a/b/c").session_secret_file == tmp_path / "a/b/c/session.secret"


def test_a_session_store_is_named_without_its_password(problems: Problems, configure: Configure) -> None:
    settings = configure("session_store = redis://:p@ss:word@cache:6379/1")
    assert settings.session_store == "redis://:p@ss:word@cache:6379/1"
    assert settings.shown("session_store") == "redis://:(not shown)@cache:6379/1"
    (problem,) = problems("session_store = redis:/:secret@cache")
    assert "is not one of file" in problem
    assert "secret" not in problem


def test_memory_is_for_one_process(problems: Problems, configure: Configure) -> None:
    (problem,) = problems("session_store = memory\nworkers = 2")
    assert "loses a visitor's session" in problem
    assert configure("session_store = memory\nworkers = 0").session_store == "memory"


def test_a_database_of_another_account_is_refused_with_what_to_do(problems: Problems, tmp_path: Path, somebody: None) -> None:
    (tmp_path / "data/postgres").mkdir(parents=True)
    place, holder = tmp_path / "data/postgres", os.getuid()
    advice = f"the server's own database runs as 12345; chown -R 12345 {place}"
    assert problems("jobs = chores\ndata_dir = data") == [f"odoo.conf:1: jobs: {place} belongs to account {holder}, and {advice}"]
