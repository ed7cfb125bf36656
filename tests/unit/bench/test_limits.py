"""The scenarios of limits: how the fate of a harmful request is told, and which server gets which limits."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from limited import LIMITED
from scenarios.limits import CUT, MARK, SCENARIOS, commit, names
from servers import Launch


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that reads one request, says this and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(65536).startswith(b"GET /sleep?ref=")
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        server.join(10)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", 504.0),
        (b"", CUT),
        (b"HTTP/1.1 2", CUT),
    ],
)
def test_the_fate_of_a_request_is_its_status_or_that_it_was_cut(answer: bytes, status: float) -> None:
    with answering(answer) as port:
        found, seconds = commit(port, f"/sleep?{MARK}")
    assert found == status
    assert 0 < seconds < 5


def test_a_log_that_has_the_query_string_names_the_request(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("somebody was killed\n")
    assert not names(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "incidents.jsonl").write_text(f'{{"target": "/sleep?{MARK}"}}\n')
    assert names(tmp_path)


@pytest.mark.parametrize(
    ("name", "flag", "value"),
    [
        ("prefork", "--limit-memory-hard", "300M"),
        ("prefork-no-limits", "--limit-memory-hard", "0"),
        ("gunicorn-sync", "--timeout", "3"),
        ("gunicorn-sync", "--max-requests", "100"),
        ("uwsgi", "--harakiri", "3"),
        ("uwsgi-socket", "--evil-reload-on-rss", "300"),
        ("granian", "--workers-max-rss", "150"),
        ("uvicorn", "--limit-max-requests", "100"),
    ],
)
def test_each_server_is_told_its_limits(name: str, flag: str, value: str, tmp_path: Path) -> None:
    (server,) = [server for server in LIMITED if server.name == name]
    command = server.command(Launch("abuse", 8000, tmp_path, recycle=100))
    assert command[command.index(flag) + 1] == value
    assert [part for part in command if part.startswith("abuse:")]


def test_every_scenario_has_its_servers() -> None:
    for scenario in SCENARIOS:
        reference = [server for server in LIMITED if server.name == scenario.REFERENCE]
        assert [server for server in reference if server.supports(scenario.NAME)], scenario.NAME
