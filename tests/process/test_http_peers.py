"""Who may ask how the server is, and whose word about the client is taken."""

import json
from collections.abc import Callable, Iterator

import pytest

from prefork.testing import Server

from .conftest import Echo
from .wire import Gate, Wire, request, until

TRUSTED, STRANGER = "127.0.0.2", "127.0.0.3"
FORWARDED = {
    "X_Forwarded_For": "6.6.6.6, 203.0.113.7, 127.0.0.2",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "shop.example",
}


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Server]:
    with echo(workers=1, proxy_mode=True, trusted_proxies=f"{TRUSTED}/32") as server:
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[Wire]:
    with Wire(server, TRUSTED) as wire:
        yield wire


@pytest.fixture
def stranger(server: Server) -> Iterator[Wire]:
    with Wire(server, STRANGER) as wire:
        yield wire


def test_a_trusted_proxy_says_who_the_client_is(server: Server, proxy: Wire) -> None:
    mark = server.mark()
    said = json.loads(proxy.get("/echo?trusted", **FORWARDED).body)
    assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == ("203.0.113.7", "https", "shop.example")
    assert server.wait_for("access", after=mark, target="/echo?trusted")["client"] == "203.0.113.7"
    said = json.loads(proxy.get().body)
    assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == (TRUSTED, "http", "example.org")


def test_what_a_stranger_says_about_itself_is_not_even_passed_on(stranger: Wire) -> None:
    said = json.loads(stranger.get(**FORWARDED).body)
    assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == (STRANGER, "http", "example.org")
    assert not {key for key in said if "FORWARDED" in key}


@pytest.mark.parametrize("chain", ["", "unknown", "6.6.6.6, unknown", "203.0.113.7:80", "<script>", ",,,", "1" * 5000])
def test_a_chain_that_makes_no_sense_names_nobody(proxy: Wire, chain: str) -> None:
    assert json.loads(proxy.get(X_Forwarded_For=chain).body)["REMOTE_ADDR"] == TRUSTED


def test_without_proxy_mode_nobody_is_believed(echo: Echo) -> None:
    with echo(workers=1) as server, Wire(server) as wire:
        said = json.loads(wire.get(**FORWARDED).body)
        assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == ("127.0.0.1", "http", "example.org")


def test_health_is_told_to_trusted_peers_only(server: Server, proxy: Wire, stranger: Wire) -> None:
    for name in ("live", "ready", "saturation"):
        answer = proxy.get(f"/_prefork/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert proxy.send(request("HEAD", f"/_prefork/{name}?x")).answer("HEAD").status == 200
    mark = server.mark()
    assert proxy.get("/_prefork/nothing").status == 404
    server.wait_for("access", after=mark, target="/_prefork/nothing", status=404)
    # The application has no such path, and says so by failing.
    assert stranger.get("/_prefork/echo").status == 200, "for a stranger it is a path of the application"
    # Through the proxy it is the client that counts.
    assert proxy.get("/_prefork/echo", X_Forwarded_For="203.0.113.7").status == 200


def test_health_is_told_while_every_worker_is_busy(proxy: Wire, stranger: Wire, gates: Callable[[], Gate]) -> None:
    gate = gates()
    until(lambda: json.loads(proxy.get("/_prefork/saturation").body)["idle"] == 1, "the last request to have ended")
    gate.hold(stranger)
    assert proxy.get("/_prefork/live").status == 200
    assert proxy.get("/_prefork/ready").status == 200
    saturated = proxy.get("/_prefork/saturation")
    said = json.loads(saturated.body)
    assert (saturated.status, said["workers"], said["busy"], said["idle"], said["queue"]) == (503, 1, 1, 0, 0)
    gate.open()
    assert stranger.answer().status == 200


def test_while_it_drains_a_server_is_not_ready_but_serves(echo: Echo) -> None:
    with echo(workers=1, drain_delay=3.0) as server, Wire(server) as kept:
        assert kept.get("/_prefork/ready").status == 200
        server.signal(15)
        until(lambda: kept.get("/_prefork/ready").status == 503, "the server to say that it stops")
        assert kept.get("/_prefork/live").status == 200
        assert kept.get().status == 200
        with Wire(server) as new:
            assert new.get().status == 200
        assert server.exit_status() == 0
        assert server.wait_for("stopped")["seconds"] >= 3.0
        assert kept.rest() == b"", "idle connections are closed in the end"
