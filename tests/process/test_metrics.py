"""What monitors read of a real server: every series Prometheus accepts, and routes that add up to what clients have asked for."""

import http.client
import io
import json
import math
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed
from rich.console import Console
from tests.render.checkers import program

from prefork import usage
from prefork.control.answers import ANSWERS, Maybe, Shape, lacking
from prefork.instances.complaints import complaints
from prefork.metrics import exposition
from prefork.testing import Server, free_port
from prefork.usage.rates import between
from prefork.usage.sampler import Sampler
from prefork.usage.tips import judged
from prefork.views import routes, stacks, status, top

from .conftest import Echo
from .wire import Wire, until


def prefork(server: Server, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefork", *arguments, "--data-dir", server.data_dir], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in parsed(text) for sample in family.samples
    }


def test_metrics_and_routes_of_a_server(echo: Echo) -> None:
    with echo(workers=2, lanes="orders:/orders/*:1") as server:
        with Wire(server) as wire:
            for number in range(5):
                assert wire.get(f"/orders/{number}/echo?page={number}").status == 200
            assert wire.get("/echo").status == 200
            assert wire.get("/nothing/here").status == 404
        until(lambda: server.status()["occupied"]["workers"] == 0, "the dispatcher to say that nobody is at work")

        text = prefork(server, "metrics")
        judged = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
        assert (judged.returncode, judged.stderr) == (0, ""), judged.stdout
        found = samples(text)
        route = (("method", "GET"), ("route", "/orders/{id}/echo"))
        assert found["prefork_route_requests_total", route] == 5
        assert found["prefork_route_service_seconds_count", route] == 5
        assert found["prefork_route_service_seconds_bucket", (("le", "+Inf"), *route)] == 5
        assert found["prefork_lane_arrivals_total", (("lane", "orders"),)] == 5
        assert found["prefork_wait_seconds_count", (("lane", "default"),)] == 2
        assert found["prefork_route_requests_total", (("method", ""), ("route", "(other)"))] == 1
        assert found["prefork_requests_total", ()] == 7
        assert found["prefork_workers", (("pool", "http"), ("state", "idle"))] == 2
        of_lanes = [value for (name, _), value in found.items() if name == "prefork_service_seconds_sum"]
        of_routes = [value for (name, _), value in found.items() if name == "prefork_route_service_seconds_sum"]
        assert math.isclose(sum(of_lanes), sum(of_routes), rel_tol=1e-6)
        assert not [labels for _, labels in found if {"pid", "worker"} & dict(labels).keys()], "nothing outlives a worker"

        told: dict[str, Any] = json.loads(prefork(server, "routes", "--json"))
        assert sorted((each["path"], each["requests"]) for each in told["routes"]) == [
            ("(other)", 1),
            ("/echo", 1),
            ("/orders/{id}/echo", 5),
        ]
        assert math.isclose(sum(each["share"] for each in told["routes"]), 1)
        said = prefork(server, "routes")
        assert "GET /orders/{id}/echo" in said
        assert max(map(len, said.splitlines())) <= 120


def test_top_says_a_line_of_json_each_time(echo: Echo) -> None:
    with echo(workers=2) as server, Wire(server) as wire:
        command = [sys.executable, "-m", "prefork", "top", "--interval", "0.3", "--data-dir", server.data_dir]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as top:
            assert top.stdout
            while not (said := json.loads(top.stdout.readline()))["routes"]:
                assert (said["state"], said["wanted"]) == ("running", 2)
                assert wire.get().status == 200
            assert said["routes"][0]["path"] == "/echo"
            assert said["requests"] > 0
            top.send_signal(signal.SIGINT)
            top.communicate()  # to its end: a line that nobody reads would be a fault of its own
        assert top.returncode == 0


def test_top_is_a_screen_that_keys_steer(echo: Echo) -> None:
    with echo(workers=2) as server, terminal() as (ours, theirs):
        command = [sys.executable, "-m", "prefork", "top", "--data-dir", server.data_dir]
        size = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **size}) as top:
            seen = Seen(ours)
            seen.until(b"q quit  w workers")
            os.write(ours, b"w")
            seen.until(b"http.2")
            os.write(ours, b"p")
            seen.until(b"go on")
            os.write(ours, b"q")
            seen.until(b"\x1b[?1049l")  # the screen that was there before
        assert top.returncode == 0


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


class Seen:
    """What a terminal has shown."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.text = b""

    def until(self, part: bytes) -> None:
        while part not in self.text:
            assert select.select([self.terminal], [], [], 30)[0], self.text
            self.text += os.read(self.terminal, 65536)
        self.text = self.text.partition(part)[2]


def kept(said: Any, shape: Shape) -> Any:
    """Of an answer, what the shape has."""
    if said is None or isinstance(shape, tuple):
        return said
    if isinstance(shape, Maybe):
        return kept(said, shape.shape)
    if isinstance(shape, list):
        return [kept(each, shape[0]) for each in said]
    return {part: kept(said[part], inner) for part, inner in shape.items()}


def test_what_is_relied_on_of_an_answer_is_in_its_shape(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.usage.report.WINDOW", 0.0)
    monkeypatch.setattr("prefork.usage.sampler.WINDOW", 0.0)
    with echo(workers="auto", workers_max=2, lanes="orders:/orders/*:1") as server:
        with Wire(server) as wire:
            assert wire.get("/orders/7/echo").status == 200
        until(lambda: server.ask({"command": "routes"})["routes"], "the route to be counted")
        answers = {name: server.ask({"command": name}) for name in ANSWERS if name != "retire"}
        answers["retire"] = server.ask({"command": "retire", "pid": server.status()["workers"][0]["pid"]})
        assert {name: lacking(name, answer) for name, answer in answers.items()} == {name: [] for name in ANSWERS}
        told = {name: kept(answer, ANSWERS[name]) for name, answer in answers.items()}
        later = kept(server.ask({"command": "metrics"}), ANSWERS["metrics"])

        console = Console(width=120, file=io.StringIO())
        console.print(*status.screen(told["status"]), sep="\n")
        console.print(*stacks.listing(told["stacks"]["workers"]))
        console.print(*routes.screen({**told["routes"], "routes": judged(told["routes"]["routes"])}, 120))
        console.print(*top.screen([between(told["metrics"], later, 0.0)], top.Choice(), 120, 40))
        assert "/orders/{id}/echo" in exposition(told["metrics"])
        assert list(complaints(told["status"])) == []
        assert usage.of_server(lambda: kept(server.status(), ANSWERS["status"])).configured == 2
        sampler = Sampler(lambda: kept(server.status(), ANSWERS["status"]), Path(server.data_dir))
        for _ in range(2):
            sampler.open()
            sampler.close()
        assert len(sampler.live) == 1


def test_the_exporter_answers_while_the_server_is_there_and_says_when_it_is_not(echo: Echo) -> None:
    port = free_port()
    with echo(workers=1) as server:
        command = [sys.executable, "-m", "prefork", "metrics", "--listen", f"127.0.0.1:{port}", "--data-dir", server.data_dir]
        with subprocess.Popen(command) as exporter:
            try:
                until(lambda: scraped(port)[0] == 200, "the exporter to answer")
                assert samples(scraped(port)[1])["prefork_workers_ready", (("pool", "http"),)] == 1
                assert scraped(port, "/other")[0] == 404
                server.stop()
                status, said = scraped(port)
                assert (status, "no server runs at" in said) == (503, True)
            finally:
                exporter.terminate()


def scraped(port: int, path: str = "/metrics") -> tuple[int, str]:
    """Status and text; 0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()
