"""The rendered nginx before a real server: what its file promises is what clients get."""

import hashlib
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from tests.process.apps.echo import pattern
from tests.process.wire import until
from tests.proxies.nginx import RenderedNginx
from tests.proxies.test_websockets import OFF

from prefork.config import Settings
from prefork.testing import Server

from .checkers import program
from .conftest import edge, subscribed, written

UPLOAD = 20 << 20


@dataclass
class Site:
    """nginx, the server behind it, and the site's ports."""

    nginx: RenderedNginx
    server: Server
    http_port: int

    def curl(self, path: str, *arguments: str) -> str:
        """What curl prints."""
        command = [
            program("curl"),
            "--insecure",
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            *arguments,
            f"{self.nginx.url}{path}",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def connection(self) -> HTTPSConnection:
        """A connection that trusts the test's certificate."""
        anybody = ssl._create_unverified_context()
        return HTTPSConnection("127.0.0.1", self.nginx.port, timeout=30, context=anybody)


@pytest.fixture(scope="module")
def site(served: Server, certificate: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A rendered edge and a server on the same machine."""
    place = tmp_path_factory.mktemp("edge")
    static = place / "static"
    static.mkdir()
    (static / "a.css").write_text("p { margin: 0 }")
    settings = Settings(
        http_port=served.port,
        websocket_port=served.websocket_port,
        data_dir=place / "data",
        static=(("/assets", str(static)),),
        max_body_size=32 << 20,
    )
    topology = edge("single", certificate, login_path="/login/echo")
    tree = written(topology, settings, place)
    (found,) = tree.glob("*/etc/nginx/sites-available/*")
    with RenderedNginx(found, place, topology.site.https_port) as nginx:
        yield Site(nginx, served, topology.site.http_port)


def test_plain_http_is_led_to_https(site: Site) -> None:
    told = subprocess.run(
        [program("curl"), "--silent", "--head", f"http://127.0.0.1:{site.http_port}/echo?a=1"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "308" in told.splitlines()[0]
    assert f"Location: https://127.0.0.1:{site.nginx.port}/echo?a=1" in told


def test_http_2_and_the_headers_that_protect(site: Site) -> None:
    head = site.curl("/echo", "--http2", "--head").lower()
    assert head.startswith("http/2 200")
    for line in ("strict-transport-security: max-age=31536000", "x-content-type-options: nosniff", "referrer-policy: "):
        assert line in head


def test_the_server_knows_the_client_and_not_what_it_claims(site: Site) -> None:
    claims = [
        "--header",
        "X-Forwarded-For: 10.9.9.9",
        "--header",
        "X-Forwarded-Host: evil.example",
        "--header",
        "X-Forwarded-Proto: http",
    ]
    said = json.loads(site.curl("/echo", *claims))
    assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"]) == ("127.0.0.1", "https")
    assert said["HTTP_HOST"] == f"127.0.0.1:{site.nginx.port}"
    assert said["HTTP_X_REQUEST_ID"]


def test_a_large_upload_arrives_and_one_that_is_too_large_does_not(site: Site, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(bytes(range(256)) * (UPLOAD // 256))
    said = json.loads(site.curl("/echo", "--http2", "--data-binary", f"@{tmp_path}/body"))
    assert (said["length"], said["digest"]) == (UPLOAD, hashlib.sha256((tmp_path / "body").read_bytes()).hexdigest())
    (tmp_path / "body").write_bytes(bytes(33 << 20))
    assert site.curl("/echo", "--output", "/dev/null", "--write-out", "%{http_code}", "--data-binary", f"@{tmp_path}/body") == "413"


def test_slow_clients_hold_no_worker(site: Site) -> None:
    half, size = bytes(100_000), 10 << 20
    senders, readers = [[site.connection() for _ in range(4)] for _ in range(2)]  # twice as many as there are workers
    for each in senders:
        each.putrequest("POST", "/echo")
        each.putheader("Content-Length", str(2 * len(half)))
        each.endheaders(half)
    for each in readers:
        each.request("GET", f"/plain/big?size={size}")
    assert json.loads(site.curl("/echo"))["REMOTE_ADDR"] == "127.0.0.1"
    for each in senders:
        each.send(half)
        assert json.loads(each.getresponse().read())["length"] == 2 * len(half)
        each.close()
    for each in readers:
        assert each.getresponse().read() == pattern(size)
        each.close()


def test_a_websocket_is_led_to_the_live_port(site: Site) -> None:
    assert subscribed(site.nginx.port) == OFF


def test_attachments_that_the_application_names_come_from_the_mount(
    served: Server, certificate: dict[str, str], tmp_path: Path
) -> None:
    store, attachment = tmp_path / "filestore", os.urandom(1 << 20)
    (store / "shop").mkdir(parents=True)
    (store / "shop/aa11").write_bytes(attachment)
    topology = edge("single", certificate, odoo="18.0", filestore=str(store))
    tree = written(topology, Settings(http_port=served.port, data_dir=tmp_path / "data"), tmp_path)
    (found,) = tree.glob("*/etc/nginx/sites-available/*")
    with RenderedNginx(found, tmp_path, topology.site.https_port) as nginx:
        connection = Site(nginx, served, topology.site.http_port).connection()
        connection.request("GET", "/send?by=X-Accel-Redirect&path=/web/filestore/shop/aa11")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.headers["X-Accel-Redirect"]) == (200, attachment, None)
        connection.request("GET", "/web/filestore/shop/aa11")
        assert connection.getresponse().status == 404, "only the application may send there"
        connection.close()


def test_static_files_come_from_the_disk(site: Site) -> None:
    head = site.curl("/assets/a.css", "--head")
    assert "Cache-Control: max-age=3600" in head.replace("cache-control", "Cache-Control")
    assert site.curl("/assets/a.css") == "p { margin: 0 }"
    assert site.curl("/assets/../nginx.conf", "--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}") != "200"


def test_answers_are_compressed(site: Site) -> None:
    assert "content-encoding: gzip" in site.curl("/echo?" + "a" * 2000, "--compressed", "--head", "--request", "GET").lower()


def test_who_tries_many_passwords_is_refused(site: Site) -> None:
    codes = [site.curl("/login/echo", "--output", "/dev/null", "--write-out", "%{http_code}") for _ in range(14)]
    assert codes[:10] == ["200"] * 10
    assert "429" in codes
    assert site.curl("/echo", "--output", "/dev/null", "--write-out", "%{http_code}") == "200"


@pytest.mark.story
def test_both_are_reloaded_at_once_and_no_request_fails(site: Site) -> None:
    wrong: list[object] = []
    answered, done = [0], threading.Event()

    def ask() -> None:
        # A connection for each: a worker of nginx that leaves closes its idle ones, also when a request is on its way.
        while not done.is_set():
            connection = site.connection()
            try:
                connection.request("GET", "/echo")
                status = connection.getresponse().status
                answered[0] += 1
                if status != 200:
                    wrong.append(status)
            except OSError as error:
                wrong.append(error)
            finally:
                connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for goal in (10, 20):
        site.nginx.reload()
        site.server.reload()
        until(partial(lambda goal: wrong or answered[0] > goal, goal), "answers")
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
