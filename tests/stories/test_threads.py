"""Threaded mode under load, and what an application finds there."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from facts import await_fact
from validated import Validated

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Changing = Callable[..., Server]


@pytest.mark.story
@pytest.mark.parametrize("new_connections", [False, True], ids=["kept-alive", "new connections"])
def test_a_reload_of_threads_under_load_loses_nothing(changing: Changing, code, new_connections: bool) -> None:
    with changing(workers=0, threads=3) as server, Load(server.url, threads=4, new_connections=new_connections) as load:
        load.wait(100)
        code.write("two", before="import time; time.sleep(0.5)")
        assert server.reload()["generation"] == 2
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0


@pytest.mark.story
def test_kills_of_threads_under_load_lose_no_request(probe: Callable[..., Server]) -> None:
    with probe(workers=0, threads=4) as server, Load(server.url, threads=4) as load:
        for _ in range(3):
            load.wait(100)
            mark = server.mark()
            os.kill(min(server.workers().values()), signal.SIGKILL)
            server.wait_for("worker_ready", after=mark)
        load.wait(100)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0


@pytest.mark.story
def test_the_modes_change_by_a_reload_under_load(changing: Changing) -> None:
    with changing(workers=0, threads=3) as server, Load(server.url, threads=3) as load:
        for workers, processes in ((2, 2), (0, 1), (1, 1)):
            server.configure(workers=workers)
            server.reload()
            assert len(set(server.workers().values())) == processes
            assert (server.status()["threads"] is not None) is (workers == 0)
            load.wait(50)
        assert len(server.events("threaded_mode")) == 2, "at the start, and when it came back"
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


def test_signal_handlers_of_the_application_run(tmp_path: Path) -> None:
    """Python runs them in the main thread only, which must be there for it while requests are served."""
    (tmp_path / "handles.py").write_text("""
import signal, threading
from wsgiref.validate import validator

heard = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: heard.set())

@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(heard.wait(10)).encode()]
""")
    with Validated("handles:app", app_dir=tmp_path, workers=0, preload="false") as server:
        os.kill(min(server.workers().values()), signal.SIGUSR1)
        with Connection("127.0.0.1", server.port) as connection:
            assert connection.exchange(Request("/")).body == b"True"


def test_reloads_of_threads_leave_nothing_behind(changing: Changing) -> None:
    with changing(workers=0, threads=4) as server:
        server.reload()
        before = descriptors(server)
        for _ in range(20):
            server.reload()
        for name in before:
            await_fact(lambda name=name: descriptors(server)[name] <= before[name], f"as few descriptors of the {name}", server)
        await_fact(lambda: len(server.tree()) == 4, "four processes", server)


def descriptors(server: Server) -> dict[str, int]:
    pids = {"master": server.pid, "dispatcher": server.status()["dispatcher"]["pid"]}
    return {name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in pids.items()}
