"""The application's own functions in a worker's life."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from facts import await_fact
from validated import Validated

from prefork.testing import Request, Server
from prefork.testing.client import Connection

APPS = Path(__file__).parent / "apps"
HOOKS = {"after_fork": "hooked:connect", "worker_ready": "hooked:warm", "worker_exit": "hooked:flush"}
Hooked = Callable[..., Server]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the hooks write what they were called with."""
    return tmp_path / "calls"


@pytest.fixture
def hooked(file: Path) -> Hooked:
    """Makes a server of an application with hooks."""
    return lambda **options: Validated("hooked:app", APPS, env={"HOOKED_FILE": str(file)}, **{"workers": 1, **options})


def calls(file: Path) -> list[list[object]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def seen(server: Server) -> list[list[object]]:
    """What had been called in a worker when it answered."""
    with Connection("127.0.0.1", server.port) as connection:
        found: list[list[object]] = json.loads(connection.exchange(Request("/")).body)
        return found


@pytest.mark.parametrize("preload", ["true", "false"])
def test_hooks_are_called_in_the_worker_with_its_name(hooked: Hooked, file: Path, preload: str) -> None:
    with hooked(preload=preload, **HOOKS) as server:
        ((name, pid),) = server.workers().items()
        before = seen(server)
        assert [call[:5] for call in before] == [[moment, name, pid, 1, pid] for moment in ("after_fork", "worker_ready")]
        assert all((call[5] == pid) is (preload == "false") for call in before), "the hooks follow the import in either case"
        assert calls(file) == before, "nothing was called in the template"
        server.reload()
        await_fact(lambda: len(calls(file)) == 5, "five calls", server)
        assert ["worker_exit", name, pid, 1, pid] in [call[:5] for call in calls(file)]
        assert [call[3] for call in seen(server)] == [2, 2]
        assert server.stop() == 0
        assert [call[0] for call in calls(file)].count("worker_exit") == 2


@pytest.mark.parametrize("preload", ["true", "false"])
@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ("hooked:conect", "after_fork = hooked:conect: 'hooked' has no attribute 'conect'"),
        ("hoked:connect", "after_fork = hoked:connect: No module named 'hoked'"),
    ],
)
def test_a_misspelt_hook_is_refused_at_the_start_and_by_a_reload(hooked: Hooked, preload: str, hook: str, sentence: str) -> None:
    server = hooked(preload=preload, after_fork=hook)
    server.launch()
    try:
        assert server.exit_status() == 3
        assert sentence in server.log.text()
    finally:
        server.close()
    with hooked(preload=preload, **HOOKS) as server:
        server.configure(after_fork=hook)
        answer = server.ask({"command": "reload"})
        assert not answer["ok"]
        assert sentence in answer["traceback"]
        assert seen(server)[0][3] == 1, "the old code goes on"


@pytest.mark.parametrize("moment", ["after_fork", "worker_ready"])
def test_a_hook_that_fails_on_the_way_in_is_a_failed_start(hooked: Hooked, moment: str) -> None:
    server = hooked(**{moment: "hooked:fail"})
    server.launch()
    try:
        failed = server.wait_for("boot_failed")
        assert failed["reason"] == f"HookFailed: {moment} = hooked:fail raised ConnectionError: the database is not there"
        assert 'raise ConnectionError("the database is not there")' in failed["traceback"]
        assert "the database is not there" in server.wait_for("crash_loop")["traceback"]
        assert server.exit_status() == 3
    finally:
        server.close()


def test_a_hook_that_fails_on_the_way_out_is_only_said(hooked: Hooked) -> None:
    with hooked(worker_exit="hooked:fail", log_level="debug") as server:
        (pid,) = server.workers().values()
        assert server.reload()["ok"]
        server.wait_for("worker_exited", pid=pid)
        assert server.stop() == 0
        assert not server.events("worker_died")
        said = [line for line in server.log.output if line.startswith("prefork: worker http.1 (pid")]
        assert said == [f"prefork: worker http.1 (pid {pid}) leaves, but:"]
        assert sum("worker_exit = hooked:fail raised ConnectionError" in line for line in server.log.output) == 2


def test_with_threads_they_are_called_once_for_the_process(hooked: Hooked, file: Path) -> None:
    with hooked(workers=0, threads=3, **HOOKS) as server:
        (pid,) = set(server.workers().values())
        assert server.stop() == 0
        moments = ("after_fork", "worker_ready", "worker_exit")
        assert [call[:3] for call in calls(file)] == [[moment, "http.1-3", pid] for moment in moments]
