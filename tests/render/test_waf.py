"""The rendered nginx with its firewall for applications: Debian's ModSecurity and core rule set before a real server."""

import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from tests.proxies.nginx import RenderedNginx

from prefork.config import Settings
from prefork.testing import Server

from .conftest import edge, written

MODULE = Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so")


@pytest.fixture(scope="module")
def nginx(served: Server, certificate: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderedNginx]:
    """nginx with the rules, and a server behind it."""
    place = tmp_path_factory.mktemp("waf")
    assert MODULE.exists(), f"{MODULE} is missing: apt-get install libnginx-mod-http-modsecurity modsecurity-crs"
    topology = edge("single", certificate, waf=True)
    (found,) = written(topology, Settings(http_port=served.port, data_dir=place / "data"), place).glob("*/etc/nginx/*/*")
    made = RenderedNginx(found, place, topology.site.https_port)
    main = place / "nginx.conf"
    main.write_text(f"load_module {MODULE};\n{main.read_text()}")
    with made as nginx:
        yield nginx


def status(nginx: RenderedNginx, method: str, path: str, body: object = None) -> int:
    with closing(HTTPSConnection("127.0.0.1", nginx.port, timeout=30, context=ssl._create_unverified_context())) as connection:
        text, headers = json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, text, {"User-Agent": "a test", "Accept": "*/*", "Host": "www.example.com", **headers})
        return connection.getresponse().status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_requests_come_through(nginx: RenderedNginx, method: str) -> None:
    assert status(nginx, method, "/echo?name=a+chair", {"name": "a chair"} if method != "GET" else None) == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/echo?q=<script>alert(1)</script>", None),
        ("/echo?id=1'+OR+1=1--+-", None),
        ("/echo?file=../../../../etc/passwd", None),
        ("/echo", {"name": "1' UNION SELECT password FROM users -- -"}),
    ],
)
def test_attacks_do_not(nginx: RenderedNginx, path: str, body: object) -> None:
    assert status(nginx, "POST" if body else "GET", path, body) == 403
