"""The wanted number of workers is there: at the start, while they wear out, when the number changes, and when they keep dying."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from facts import await_fact, failures
from offences import incidents

from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

Make = Callable[..., Server]


@pytest.mark.story
def test_recycling_under_load_loses_nothing(probe: Make) -> None:
    with probe(workers=2, limit_request=40, limit_request_jitter=20) as server, Load(server.url, threads=4) as load:
        for _ in range(3):
            mark = server.mark()
            load.wait(60)
            server.wait_for("worker_retiring", after=mark, reason="its replacement is ready")
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0
        # The last worn one may be on its way out.
        await_fact(lambda: len(server.workers()) == 2, "two workers", server)


@pytest.mark.story
def test_scaling_under_load_loses_nothing(probe: Make) -> None:
    with probe(workers=2) as server, Load(server.url, threads=4) as load:
        for wanted in (4, 1, 3, 2):
            server.scale(wanted)
            await_workers(server, wanted)
            load.wait(50)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


@pytest.mark.story
def test_scaling_down_takes_the_idle_and_cuts_no_request(probe: Make, tmp_path: Path) -> None:
    with probe(workers=3) as server:
        answers = []

        def long_request() -> None:
            with Connection("127.0.0.1", server.port) as connection:
                target = f"/held?file={tmp_path}/begun&gate={tmp_path}/gate"
                answers.append(connection.exchange(Request(target)).status)

        clients = [threading.Thread(target=long_request) for _ in range(2)]
        for client in clients:
            client.start()
        await_state(server, "busy", 2)
        busy = {worker["name"] for worker in server.status()["workers"] if worker["state"] == "busy"}
        server.scale(2)
        assert server.wait_for("worker_retiring")["worker"] not in busy
        server.scale(1)
        (tmp_path / "gate").touch()
        for client in clients:
            client.join(10)
        assert answers == [200, 200]
        await_workers(server, 1)


def test_signals_change_the_number(probe: Make) -> None:
    with probe(workers=1) as server:
        server.signal(signal.SIGTTIN)
        await_workers(server, 2)
        server.signal(signal.SIGTTOU)
        await_workers(server, 1)
        server.signal(signal.SIGTTOU)
        await_fact(lambda: len(server.events("scaled")) == 3, "three changes", server)
        assert server.events("scaled")[-1]["workers"] == 1, "there is always one"


def test_an_application_that_cannot_be_imported_ends_the_server_with_3(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    server = Server("broken:app", app_dir=tmp_path).launch()
    assert server.exit_status() == 3
    failed = server.wait_for("template_failed")
    assert "no_such_module_anywhere" in failed["traceback"]
    kept = {each["id"]: each for each in incidents(server)}
    assert kept[server.wait_for("loading_recorded")["incident"]]["stacks"] == failed["traceback"]
    server.wait_for("never_ready")
    server.close()


def test_an_application_that_cannot_be_imported_by_workers_ends_the_server_with_3(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    server = Server("broken:app", app_dir=tmp_path, preload="false").launch()
    assert server.exit_status() == 3
    assert "no_such_module_anywhere" in server.wait_for("boot_failed")["traceback"]
    server.close()


def test_an_import_that_takes_too_long_ends_the_server_with_3(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    server = Server("slow:app", app_dir=tmp_path, boot_timeout=1).launch()
    assert server.exit_status() == 3
    assert "boot_timeout" in server.wait_for("template_failed")["reason"]
    server.close()


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [("changing:nothing", "has no attribute 'nothing'"), ("changing:os", "is not an application")],
)
def test_a_wrong_name_is_said_in_a_sentence(code, spec: str, sentence: str) -> None:
    code.write("one", before="import os")
    server = Server(spec, app_dir=code.directory).launch()
    assert server.exit_status() == 3
    assert sentence in server.wait_for("template_failed")["reason"]
    server.close()


def test_a_missing_interpreter_is_said_before_anything_starts(code) -> None:
    server = Server("changing:app", app_dir=code.directory, python=code.directory / "no-python").launch()
    assert server.exit_status() in {1, 3}
    assert "no-python" in server.log.text()
    server.close()


@pytest.mark.story
def test_a_crash_loop_backs_off_and_is_reported_with_its_first_traceback(changing: Make, code) -> None:
    with changing(workers=2, preload="false") as server, Load(server.url, threads=2) as load:
        code.write("two", before="import no_such_module_anywhere")
        server.kill("http.1")
        loop = server.wait_for("crash_loop", failures=4, timeout=20)
        assert "no_such_module_anywhere" in loop["traceback"]
        assert loop["delay"] == 1
        await_fact(lambda: failures(server) >= 4, "a wait for the next start", server)
        assert len(server.workers()) == 1, "the worker that lived is gone"
        code.write("three")
        await_workers(server, 2)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


def test_threads_left_by_the_import_are_found_and_avoided(tmp_path: Path) -> None:
    (tmp_path / "threaded.py").write_text(
        """
import threading
from wsgiref.validate import validator
threading.Thread(target=threading.Event().wait, name="a-helper", daemon=True).start()
@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [",".join(t.name for t in threading.enumerate()).encode()]
"""
    )
    with Server("threaded:app", app_dir=tmp_path, preload="auto") as server:
        unsafe = server.wait_for("preload_unsafe")
        assert unsafe["threads"] == ["a-helper"]
        with Connection("127.0.0.1", server.port) as connection:
            assert b"a-helper" in connection.exchange(Request("/")).body, "the thread is missing in the worker"


def test_connections_left_by_the_import_are_found_and_avoided(tmp_path: Path) -> None:
    (tmp_path / "connected.py").write_text(
        """
import socket
from wsgiref.validate import validator
listener = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listener.getsockname())
@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
    )
    with Server("connected:app", app_dir=tmp_path, preload="auto") as server:
        unsafe = server.wait_for("preload_unsafe")
        assert [peer.rpartition(":")[0] for peer in unsafe["sockets"]] == ["TCP 127.0.0.1"]
        server.wait_for("template_loaded", preloaded=False)


def test_quit_writes_the_stacks_of_all_workers(probe: Make, tmp_path: Path) -> None:
    held = f"/held?file={tmp_path}/begun&gate={tmp_path}/gate"
    # One with loans does not wait in `receive`, and compiled code is in no stack.
    with probe(workers=2, lend_connections=False) as server, Load(server.url, [held], threads=1) as load:
        await_state(server, "busy", 1)
        server.signal(signal.SIGQUIT)
        await_fact(lambda: len(server.events("stacks")) == 2, "stacks of two workers", server)
        stacks = sorted(said["traceback"] for said in server.events("stacks"))
        assert [("in do_held" in said, "in receive" in said) for said in stacks] in (
            [(True, False), (False, True)],
            [(False, True), (True, False)],
        )
        (tmp_path / "gate").touch()
        assert not load.stop().failed


def test_a_template_that_dies_is_replaced(probe: Make) -> None:
    with probe(workers=1) as server:
        template = next(pid for pid in server.tree() if b"template" in Path(f"/proc/{pid}/cmdline").read_bytes())
        mark = server.mark()
        os.kill(template, signal.SIGKILL)
        server.wait_for("template_failed", after=mark)
        server.wait_for("template_loaded", after=mark)
        server.kill("http.1")
        server.wait_for("worker_ready", after=mark)
        await_workers(server, 1)


def test_what_an_import_has_left_behind_holds_up_nobody(tmp_path: Path) -> None:
    """A process that was forked has the wire of its template, which so has no end when that dies: the master waited for it."""
    (tmp_path / "leaves.py").write_text(
        """
import os, time
from wsgiref.validate import validator
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
    os._exit(0)
@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
    )
    with Server("leaves:app", app_dir=tmp_path, preload="true") as server:
        template = next(pid for pid in server.tree() if b"template g" in Path(f"/proc/{pid}/cmdline").read_bytes())
        mark = server.mark()
        os.kill(template, signal.SIGKILL)
        server.wait_for("template_loaded", after=mark, timeout=15)
        assert server.status()["workers"]


def test_code_that_cannot_be_forked_is_refused(changing: Make, code) -> None:
    """Its template died, was loaded anew, died: imports followed each other without a pause."""
    with changing(workers=1, preload="true") as server:
        code.write("two", before="import os; os.register_at_fork(before=lambda: os._exit(1))")
        answer = server.ask({"command": "reload"})
        assert not answer["ok"]
        failed = server.wait_for("reload_failed")
        assert "could not get ready" in failed["reason"]
        assert len(server.events("template_failed")) < 4
        await_workers(server, 1)
        with Connection("127.0.0.1", server.port) as connection:
            assert connection.exchange(Request("/")).body == b"one"


def test_stacks_that_are_asked_for_too_early_kill_nobody(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        """
import os, time
from wsgiref.validate import validator
os.register_at_fork(after_in_child=lambda: time.sleep(0.3))
@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
    )
    server = Server("slow:app", app_dir=tmp_path, workers=1, preload="true").launch()
    with closing(server):
        server.wait_for("template_loaded")
        while not server.events("server_ready"):
            server.signal(signal.SIGQUIT)
            threading.Event().wait(0.02)
        assert [event["worker"] for event in server.events("worker_ready")] == ["http.1"]
        assert not server.events("worker_died") + server.events("boot_failed")


def test_a_template_that_cannot_be_loaded_again_is_tried_until_it_can(changing: Make, code) -> None:
    with changing(workers=2, preload="true") as server, Load(server.url, threads=2) as load:
        code.write("two", before="import no_such_module_anywhere")
        template = next(pid for pid in server.tree() if b"template" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(template, signal.SIGKILL)
        loop = server.wait_for("crash_loop", timeout=20, failures=3)
        assert "no_such_module_anywhere" in loop["traceback"]
        assert len(server.workers()) == 2, "the workers that live go on"
        mark = server.mark()
        code.write("three")
        server.wait_for("template_loaded", after=mark, timeout=20)
        server.kill("http.1")
        await_workers(server, 2)
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()


@pytest.mark.story
@pytest.mark.parametrize("how", ["graceful_timeout", "second signal"])
def test_a_stop_that_cuts_a_request_tells_its_client_and_the_log(probe: Make, how: str) -> None:
    with probe(workers=2, graceful_timeout=0.5 if how == "graceful_timeout" else 60) as server:
        answers = []

        def long_request() -> None:
            with Connection("127.0.0.1", server.port) as connection:
                answers.append(connection.exchange(Request("/sleep?seconds=30", expect=frozenset({503}))))

        client = threading.Thread(target=long_request)
        client.start()
        await_state(server, "busy", 1)
        server.signal(signal.SIGTERM)
        if how == "second signal":
            server.wait_for("stopping")
            server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
        client.join(10)
        assert answers[0].status == 503
        assert server.wait_for("request_failed")["target"] == "/sleep?seconds=30"


def test_a_dispatcher_that_hangs_is_replaced(probe: Make) -> None:
    with probe(workers=2) as server:
        with Connection("127.0.0.1", server.port) as connection:
            assert connection.exchange(Request("/fast")).status == 200, "before its first turn it may take longer"
        pid = server.status()["dispatcher"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        assert server.wait_for("dispatcher_stuck", timeout=20)["pid"] == pid
        server.wait_for("dispatcher_died", pid=pid)
        await_workers(server, 2)
        with Connection("127.0.0.1", server.port) as connection:
            assert connection.exchange(Request("/fast")).status == 200


def await_workers(server: Server, count: int) -> None:
    """Wait until exactly so many workers take requests."""
    await_fact(lambda: len(server.workers()) == count and len(server.status()["workers"]) == count, f"{count} workers", server)


def await_state(server: Server, state: str, count: int) -> None:
    """Wait until so many workers are in a state."""
    await_fact(lambda: [w["state"] for w in server.status()["workers"]].count(state) == count, f"{count} {state} workers", server)
