"""What nginx and the server tell each other: who the client is, and which file nginx is to send itself."""

import json
import os
from pathlib import Path

import pytest
from tests.process.wire import Wire, request

from .conftest import APPS, Echo
from .nginx import Nginx, Way

PROXY, CLIENT = "127.0.0.1", "127.0.0.9"
FORGED = {"X_Forwarded_For": "6.6.6.6", "X_Forwarded_Proto": "http", "X_Forwarded_Host": "evil.example"}
INTERNAL = "location /shelf/ {{ internal; alias {shelf}/; }}"


def test_the_client_is_the_one_that_nginx_saw_whatever_it_says_about_itself(echo: Echo, way: Way, tmp_path: Path) -> None:
    with echo(workers=1, proxy_mode=True, trusted_proxies=PROXY) as server, Nginx(server, tmp_path, way, scheme="https") as nginx:
        with Wire(nginx, CLIENT) as client:
            said = json.loads(client.get("/echo?forged", **FORGED).body)
        assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == (CLIENT, "https", "example.org")
        assert server.wait_for("access", target="/echo?forged")["client"] == CLIENT


def test_without_proxy_mode_nginx_is_the_client(echo: Echo, tmp_path: Path) -> None:
    with echo(workers=1) as server, Nginx(server, tmp_path, Way(), scheme="https") as nginx, Wire(nginx, CLIENT) as client:
        said = json.loads(client.get().body)
    assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == (PROXY, "http", "example.org")


def test_nobody_learns_through_nginx_how_the_server_is(echo: Echo, tmp_path: Path) -> None:
    with echo(workers=1, proxy_mode=True, trusted_proxies=PROXY) as server, Nginx(server, tmp_path, Way()) as nginx:
        with Wire(nginx, CLIENT) as stranger:
            assert stranger.get("/_prefork/live").status == 404
        with Wire(server) as probe:
            assert probe.get("/_prefork/live").status == 200


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A directory with a file that only nginx reads."""
    place = tmp_path / "shelf"
    place.mkdir()
    (place / "book").write_bytes(os.urandom(1 << 20))
    return place


def test_nginx_sends_the_file_that_the_application_names(echo: Echo, shelf: Path, way: Way, tmp_path: Path) -> None:
    book = (shelf / "book").read_bytes()
    locations = INTERNAL.format(shelf=shelf)
    library = echo("library:app", app_dir=APPS)
    with library as server, Nginx(server, tmp_path, way, locations=locations) as nginx:
        with Wire(nginx) as client:
            whole = client.get("/book")
            part = client.get("/book", Range="bytes=10-19")
            head = client.send(request("HEAD", "/book")).answer("HEAD")
            assert client.get("/shelf/book").status == 404, "only the application may send there"
        with Wire(server) as direct:
            assert direct.get("/book").headers["x-accel-redirect"] == "/shelf/book"
    assert (whole.status, whole.body) == (200, book)
    assert "x-accel-redirect" not in whole.headers
    assert (part.status, part.body) == (206, book[10:20])
    assert (head.status, head.headers["content-length"]) == (200, str(len(book)))


def test_the_server_sends_the_file_itself_when_it_is_told_to(echo: Echo, shelf: Path, way: Way, tmp_path: Path) -> None:
    book = (shelf / "book").read_bytes()
    sending = echo("library:app", app_dir=APPS, accel_redirects=f"/shelf={shelf}")
    with sending as server, Nginx(server, tmp_path, way) as nginx, Wire(nginx) as client:
        whole = client.get("/book")
        part = client.get("/book", Range="bytes=10-19")
    assert (whole.status, whole.body) == (200, book)
    assert "x-accel-redirect" not in whole.headers
    assert (part.status, part.body) == (206, book[10:20])
