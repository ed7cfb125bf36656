"""A real server, watched as the console watches it: what it does is in its history, and people hear what is wrong with it."""

import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prefork.instances import alerts, history, registry
from prefork.instances.database import Database
from prefork.instances.monitor import Monitor

from .conftest import Echo
from .wire import Gate, Wire, until

SECRET = "open sesame"


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    with Database(tmp_path / "console.sqlite") as db:
        yield Monitor(db)


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and what it was sent with a signature that is right."""
    got: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = hmac.new(SECRET.encode(), self.headers["X-Prefork-Timestamp"].encode() + b"." + body, hashlib.sha256)
            if hmac.compare_digest(self.headers["X-Prefork-Signature"], f"sha256={signed.hexdigest()}"):
                got.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_it_does_is_measured_between_two_looks(echo: Echo, gates: Callable[[], Gate], monitor: Monitor) -> None:
    gate = gates()
    with echo(workers=2) as server:
        registry.keep_own(monitor.db, "echo", Path(server.data_dir))
        monitor.measure()
        assert monitor.live("default") == []
        with Wire(server) as wire:
            for _ in range(3):
                assert wire.get().status == 200
            until(lambda: server.status()["dispatcher"]["classes"]["2xx"] == 3, "the answers to be counted")
            monitor.measure()
        (sample,) = monitor.live("default")
        assert (sample.succeeded, sample.server_errors, sample.configured, sum(sample.services.values())) == (3, 0, 2, 3)
        assert sample.host_memory
        with Wire(server) as wire:
            gate.hold(wire)

            def half() -> bool:
                monitor.measure()
                return monitor.live("default")[-1].in_flight == 50.0

            until(half, "one of two workers to be in flight all the time")
            assert monitor.live("default")[-1].told()["memory"]["workers"].keys() == server.workers().keys()
            gate.open()


def test_a_dead_worker_is_an_incident_a_mark_and_an_alert_that_arrives(
    echo: Echo, monitor: Monitor, hook: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    url, got = hook
    (tmp_path / "secret").write_text(SECRET + "\n")
    options = {"alert_webhook": url, "alert_webhook_secret_file": tmp_path / "secret", "alert_incidents": 1}
    with echo(workers=2, **options) as server:
        registry.keep_own(monitor.db, "echo", Path(server.data_dir))
        monitor.measure()
        monitor.attend(time.monotonic())
        assert alerts.current(monitor.db, "default") == []
        os.kill(next(iter(server.workers().values())), signal.SIGKILL)
        until(lambda: server.status()["incidents"] == 1, "an incident")
        monitor.measure()
        (mark,) = history.marks(monitor.db, "default", 0, time.time() + 1)
        assert (mark.kind, mark.text.partition(": ")[2]) == ("incident", "signal")
        for _ in range(2):
            monitor.attend(time.monotonic())
        (told,) = got
        assert (told["rule"], told["event"], told["name"]) == ("incidents", "raised", "echo")
        assert "it died by signal 9" in told["text"]
        assert [alert.rule for alert in alerts.current(monitor.db, "default")] == ["incidents"]
    monitor.measure()
    assert monitor.watches["default"].sampler.silent.startswith("no server runs at")
