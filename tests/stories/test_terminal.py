"""A server that somebody has started from a terminal, and looks into with a debugger."""

import os
import termios
import threading
from pathlib import Path

import pytest
from facts import await_fact
from validated import Validated

from prefork.testing import Request, Server
from prefork.testing.client import Connection

APPLICATION = """
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    answer = 40
    if environ["PATH_INFO"] == "/look":
        breakpoint()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(answer).encode()]
"""


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / "looked.py").write_text(APPLICATION)
    # A terminal without abilities: readline writes no control sequences between the lines.
    return Validated("looked:app", app_dir=tmp_path, env={"TERM": "dumb"}, at_terminal=True, workers=0, threads=2)


def ask(server: Server, target: str, answers: list[tuple[int, bytes]]) -> threading.Thread:
    def exchange() -> None:
        with Connection("127.0.0.1", server.port, 20) as connection:
            got = connection.exchange(Request(target, expect=frozenset({200, 503})))
            answers.append((got.status, got.body))

    client = threading.Thread(target=exchange)
    client.start()
    return client


def at_prompt(server: Server) -> None:
    await_fact(lambda: any("looked.py(" in line for line in server.log.output), "a debugger", server)


def test_a_debugger_in_a_view_reads_from_the_terminal(server: Server) -> None:
    answers: list[tuple[int, bytes]] = []
    with server:
        client = ask(server, "/look", answers)
        at_prompt(server)
        with Connection("127.0.0.1", server.port) as other:
            assert other.exchange(Request("/")).status == 200, "the other thread serves meanwhile"
        server.type("answer = answer + 2\nc\n")
        client.join(15)
        assert answers == [(200, b"42")]


def test_ctrl_c_at_the_debuggers_prompt_ends_it_all_and_leaves_the_terminal_as_it_was(server: Server) -> None:
    answers: list[tuple[int, bytes]] = []
    with server:
        before = termios.tcgetattr(server._keyboard)
        client = ask(server, "/look", answers)
        at_prompt(server)
        server.type("\x03")
        assert server.exit_status() == 0
        assert server.wait_for("stopped")["seconds"] < 5, "it waits for nobody: graceful_timeout is 60"
        client.join(15)
        assert [status for status, _ in answers] == [503]
        assert termios.tcgetattr(server._keyboard) == before
        assert not server.tree()


def test_the_key_for_stacks_ends_nothing(server: Server) -> None:
    with server:
        before = server.tree()
        server.type("\x1c")
        server.wait_for("stacks")
        assert server.tree() == before


def test_only_processes_of_the_application_are_in_the_terminals_foreground(server: Server) -> None:
    with server:
        groups = {Path(f"/proc/{pid}/cmdline").read_bytes().split(b" [")[0].rstrip(b"\0"): os.getpgid(pid) for pid in server.tree()}
        foreground = {title for title, group in groups.items() if group == os.getpgid(server.pid)}
        assert foreground == {b"prefork: master", b"prefork: template g1", b"prefork: http 1-2"}
