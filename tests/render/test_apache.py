"""The rendered Apache before a real server: files from the disk, pages and WebSockets from the server."""

import json
import os
import pwd
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPMessage, HTTPSConnection
from pathlib import Path

import pytest
from tests.process.wire import until
from tests.proxies.test_websockets import OFF

from prefork.config import Settings
from prefork.testing import Server

from .checkers import apache, program
from .conftest import edge, subscribed, written


@pytest.fixture(scope="module")
def port(served: Server, certificate: dict[str, str]) -> Iterator[int]:
    """That of an Apache with a server behind it, and with add-ons on its disk."""
    # Apache serves as another account than root, which may not enter the directories of tests.
    with tempfile.TemporaryDirectory(prefix="apache-") as name:
        place = Path(name)
        place.chmod(0o755)
        asset = place / "addons/web/static/app.js"
        asset.parent.mkdir(parents=True)
        asset.write_text("asset")
        (place / "addons/web/secret.py").write_text("secret")
        settings = Settings(http_port=served.port, websocket_port=served.websocket_port, data_dir=place / "data")
        topology = edge("single", certificate, proxy="apache", odoo="18.0", addons=(f"{place}/addons",))
        (site,) = written(topology, settings, place).glob("*/etc/apache2/sites-available/*")
        account = pwd.getpwnam("www-data") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        # Without a group Apache takes one that no kernel knows, and a child that cannot change to it is started again for ever.
        own = f"User {account.pw_name}\nGroup #{account.pw_gid}\nMutex file:{place} default\n"
        command = [program("apache2"), "-f", apache(site, place, own), "-D", "FOREGROUND"]
        process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL)
        try:
            until(lambda: (place / "pid").exists() or process.poll() is not None, "Apache to start")
            assert process.poll() is None, (place / "log").read_text()
            yield topology.site.https_port
        finally:
            process.terminate()
            process.wait(30)


def got(port: int, path: str) -> tuple[int, bytes, HTTPMessage]:
    """An answer: its status, its body, its headers."""
    with closing(HTTPSConnection("127.0.0.1", port, timeout=30, context=ssl._create_unverified_context())) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def test_pages_are_the_servers_and_it_knows_how_they_were_asked_for(port: int) -> None:
    _, body, headers = got(port, "/echo")
    said = json.loads(body)
    assert (said["wsgi.url_scheme"], said["REMOTE_ADDR"]) == ("https", "127.0.0.1")
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_files_of_add_ons_are_the_disks_and_nothing_else_of_them_is_shown(port: int) -> None:
    status, body, headers = got(port, "/web/static/app.js")
    assert (status, body, headers["Cache-Control"]) == (200, b"asset", "max-age=604800")
    for path in ("/web/secret.py", "/web/static/../secret.py", "/web/static/%2e%2e/secret.py"):
        assert got(port, path)[1] != b"secret", path
    assert json.loads(got(port, "/web/static/echo")[1])["PATH_INFO"] == "/web/static/echo", "the server is asked for it"


def test_a_websocket_is_led_to_the_live_port(port: int) -> None:
    assert subscribed(port) == OFF
