"""What the kit promises about a server under test, with a stand-in for the server."""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from prefork.testing import Server

from .standin import LAST_WORDS

STANDIN = Path(__file__).with_name("standin.py")


class StandIn(Server):
    command = (sys.executable, str(STANDIN))


def stand_in(behaviour: str = "good", **options: object) -> Server:
    return StandIn(app="shop:app", env={"STANDIN": behaviour}, **options)


def test_a_server_is_ready_inside_the_context_and_gone_after_it():
    with stand_in() as server:
        assert server.events("server_ready")[0]["workers"] == 2
        assert server.tree() == [server.pid]
        assert server.log.output == ["the application says hello"]
    assert server.tree() == []
    assert server.exit_status() == 0
    assert not os.path.exists(server.directory)


def test_an_orphan_in_another_session_fails_the_close_and_is_killed():
    server = stand_in("orphan").start()
    with pytest.raises(AssertionError, match=r"(?s)take its processes with it.*sleep 30.*server_ready"):
        server.close()
    assert server.tree() == []


def test_a_socket_that_is_left_behind_fails_the_close():
    server = stand_in("socket").start()
    with pytest.raises(AssertionError, match="left its control socket"):
        server.close()


def test_a_killed_master_may_leave_its_socket():
    with closing(stand_in().start()) as server:
        server.signal(signal.SIGKILL)
        assert server.exit_status() == -signal.SIGKILL


def test_a_server_that_ends_before_it_is_ready_fails_with_its_log():
    with (
        pytest.raises(AssertionError, match=r"(?s)ended with 3 before it was ready.*the application says hello"),
        stand_in("fails"),
    ):
        pytest.fail("never ready")


def test_a_start_that_is_meant_to_fail_gives_its_status():
    with closing(stand_in("fails").launch()) as server:
        assert server.exit_status() == 3


def test_the_last_words_are_in_the_log_of_a_server_that_has_ended():
    with closing(stand_in("talks").launch()) as server:
        assert server.exit_status() == 3
        assert len(server.log.output) == 1 + LAST_WORDS


def test_a_failing_test_prints_the_log_and_leaves_nothing(capsys):
    with pytest.raises(ZeroDivisionError), stand_in("orphan") as server:
        _ = 1 / 0
    assert "starting: starting" in capsys.readouterr().err
    assert server.tree() == []


def test_commands_are_answered_and_refusals_raise():
    with stand_in() as server:
        assert server.workers() == {"http.1": server.pid}
        assert server.ask({"command": "reload"})["error"] == "no"
        with pytest.raises(AssertionError, match="refused"):
            server.reload()
        with pytest.raises(AssertionError, match="without an answer"):
            server.ask({"command": "mute"})


def test_the_file_holds_the_options_and_can_be_changed():
    with closing(stand_in(workers=3, preload=False, trusted_proxies=["127.0.0.1", "::1"], app_dir=".")) as server:
        text = Path(server.configuration).read_text()
        assert "app = shop:app" in text
        assert "workers = 3" in text
        assert "preload = False" in text
        assert "trusted_proxies = 127.0.0.1,::1" in text
        assert f"app_dir = {os.getcwd()}" in text
        assert "python" not in text
        server.configure(workers=5, preload=None)
        text = Path(server.configuration).read_text()
        assert "workers = 5" in text
        assert "preload" not in text


def test_options_from_the_tester_s_environment_do_not_reach_the_server(monkeypatch):
    monkeypatch.setenv("PREFORK_WORKERS", "9")
    with stand_in() as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
    assert b"STANDIN=good" in environment
    assert not [entry for entry in environment if entry.startswith(b"PREFORK_")]


def test_using_a_server_that_was_not_started_says_so():
    with closing(stand_in()) as server, pytest.raises(AssertionError, match="has not been started"):
        server.signal(signal.SIGHUP)
