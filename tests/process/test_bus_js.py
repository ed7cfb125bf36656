"""bus.js: small, served without a worker; in a browser that is played (browser.js) it comes back and goes on from where it was."""

import http.client
import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT

from prefork.testing import Server

from .conftest import Echo

SCRIPT = ROOT / "src" / "prefork" / "bus" / "browser" / "bus.js"
BROWSER = Path(__file__).parent / "apps" / "browser.js"


def played(scene: str) -> list[list[object]]:
    """What happens in a scene: what the client does to the world, in order."""
    command = ["node", str(BROWSER), str(SCRIPT), scene]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_it_is_small() -> None:
    assert SCRIPT.stat().st_size < 4096


def test_it_subscribes_hears_and_goes_on_from_where_it_was() -> None:
    assert played("resume") == [
        ["socket", "ws://shop.example/websocket"],
        ["send", {"subscribe": ["a"], "last": None}],
        ["state", "open"],
        ["message", {"n": 1}, "a", 8],
        ["state", "waiting"],
        ["timer", 7000],
        ["socket", "ws://shop.example/websocket"],
        ["send", {"subscribe": ["a"], "last": 9}],
        ["state", "open"],
        ["lost"],
        ["close"],
    ]


def test_a_page_that_throws_hears_what_comes_behind_all_the_same() -> None:
    assert played("throws")[-3:] == [["message", "throw", "a", 8], ["message", None, "a", 9], ["thrown", "a fault of the page"]]


def test_who_has_heard_of_nothing_comes_back_to_where_it_began() -> None:
    assert played("silent")[-1] == ["send", {"subscribe": ["a"], "last": 7}]


def test_it_waits_longer_and_longer_where_nobody_says_how_long() -> None:
    waited = [milliseconds for what, *milliseconds in played("outage") if what == "timer"]
    assert waited == [[250], [500], [1000], [2000], [4000], [8000], [15000], [15000]]


def test_other_channels_are_asked_for_when_the_last_answer_is_there() -> None:
    said = [words for what, *words in played("channels") if what == "send"]
    assert said == [[{"subscribe": ["a"], "last": None}], [{"subscribe": ["b"]}], [{"subscribe": ["c"]}]]


def test_an_error_is_told_and_tried_again() -> None:
    assert played("error")[2:] == [["error", "the bus is off"], ["close"], ["state", "waiting"], ["timer", 250]]


def test_where_no_websocket_comes_through_it_polls_and_where_that_fails_it_tries_one_again() -> None:
    done = played("polls")
    assert [what for what, *_ in done if what in {"socket", "fetch"}] == ["socket"] * 3 + ["fetch"] * 2 + ["socket", "fetch"]
    assert [words[1] for what, *words in done if what == "fetch"] == [
        {"channels": ["a"], "last": None},
        {"channels": ["a"], "last": 8},
        {"channels": ["a"], "last": 8},
    ]
    assert ["message", 1, "a", 8] in done


@pytest.mark.parametrize("scene", ["resume", "polls"])
def test_who_is_closed_does_nothing_more(scene: str) -> None:
    assert played(f"{scene}-closed")[-1] == ["end"]


def get(server: Server, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.text = answer.read()
    connection.close()
    return answer


def test_it_is_served_where_the_bus_is_on_and_the_pages_beside_it_too(echo: Echo) -> None:
    with echo(store_dsn="dbname=shop host=/nowhere") as server:
        script = get(server, "/_prefork/bus/bus.js")
        assert (script.status, script.text) == (200, SCRIPT.read_bytes())
        assert script.getheader("Content-Type") in {"text/javascript; charset=utf-8", "application/javascript; charset=utf-8"}
        assert [get(server, path).status for path in ("/_prefork/bus/", "/_prefork/live", "/_prefork/bus")] == [404, 200, 404]
