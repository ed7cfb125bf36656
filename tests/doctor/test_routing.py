"""What nginx does with a path, by its own rules."""

from pathlib import Path

import pytest

from prefork.doctor.probes import nginx
from prefork.doctor.routing import Place, Proxy, duration, route

FILE = """
http {
    proxy_set_header X-All 1;
    upstream app { server 10.0.0.1:8069; server 10.0.0.2; }
    server {
        listen 443 ssl;
        location / { proxy_pass http://app; }
        location = /exact { proxy_pass http://127.0.0.1:1; }
        location /prefix/ { proxy_pass http://127.0.0.1:2; }
        location /prefix/longer { proxy_set_header X-Own 2; proxy_pass http://127.0.0.1:3; }
        location ^~ /fixed { proxy_pass http://127.0.0.1:4; }
        location ~ ^/(prefix|fixed)/.*\\.png$ { proxy_pass http://127.0.0.1:5; }
        location ~* \\.GIF$ { proxy_pass http://127.0.0.1:6; }
        location /outer { location /outer/inner { proxy_pass http://127.0.0.1:7; } proxy_pass http://127.0.0.1:8; }
        location @named { proxy_pass http://127.0.0.1:9; }
    }
}
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    (tmp_path / "nginx.conf").write_text(FILE)
    found = nginx.read(tmp_path / "nginx.conf")
    assert isinstance(found, Proxy)
    return found


@pytest.fixture
def server(proxy: Proxy) -> Place:
    (found,) = proxy.sites()
    return found


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("/", "http://app"),
        ("/anything", "http://app"),
        ("/exact", "http://127.0.0.1:1"),
        ("/exact/more", "http://app"),
        ("/prefix", "http://app"),
        ("/prefix/x", "http://127.0.0.1:2"),
        ("/prefix/longer/x", "http://127.0.0.1:3"),
        ("/prefix/x.png", "http://127.0.0.1:5"),
        ("/fixed/x.png", "http://127.0.0.1:4"),
        ("/x.gif", "http://127.0.0.1:6"),
        ("/outer/inner/x", "http://127.0.0.1:7"),
        ("/outer/x", "http://127.0.0.1:8"),
    ],
)
def test_which_location_takes_a_path(path: str, goes: str, server: Place) -> None:
    found = route(server, path)
    assert found is not None
    assert found.passes == goes


def test_an_upstream_is_its_servers(proxy: Proxy, server: Place) -> None:
    first = route(server, "/")
    assert first is not None
    assert proxy.targets(first) == ("10.0.0.1:8069", "10.0.0.2:80")


def test_headers_come_from_the_innermost_level_that_sets_any(server: Place) -> None:
    plain, own = route(server, "/"), route(server, "/prefix/longer")
    assert plain is not None
    assert own is not None
    assert (plain.header("x-all"), plain.header("x-own")) == ("1", "")
    assert (own.header("x-all"), own.header("x-own")) == ("", "2")


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("720s", 720), ("1h", 3600), ("1m 30s", 90), ("250ms", 0.25), ("soon", 0)]
)
def test_times(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_what_a_file_includes_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/one.conf").write_text("server { listen 443 ssl; location / { proxy_pass http://127.0.0.1:8069; } }")
    (tmp_path / "nginx.conf").write_text("http { include sites/*.conf; }")
    found = nginx.read(tmp_path / "nginx.conf")
    assert isinstance(found, Proxy)
    assert [server.at for server in found.sites()] == [f"{tmp_path}/sites/one.conf:1"]
