"""What probes make of what they find: files that cannot be read, logs of other days, sites that answer oddly."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prefork.doctor.evidence import Conf, Site, Started, Unseen
from prefork.doctor.probes import conf, log, machine, nginx, site

Serve = Callable[..., str]


def test_what_stands_below_a_closed_directory_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for away in (tmp_path / "nginx.conf", tmp_path / "file" / "nginx.conf"):
        assert nginx.read(away) == Unseen(f"{away} does not exist")

    def refuse(place: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(Path, "stat", refuse)  # as it is for those who are not root
    assert nginx.read(away) == Unseen(f"{away} cannot be read by this account")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes sites that give these statuses to GET and POST; a POST without one is held until the end."""
    over = threading.Event()
    made: list[ThreadingHTTPServer] = []

    def make(page: int, poll: int | None, version: str = "") -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(page if self.path == "/" else 404, b"")

            def do_POST(self) -> None:
                if self.path.endswith("version_info"):
                    self.answer(200 if version else 404, version.encode())
                elif poll is None:
                    over.wait(30)
                else:
                    self.answer(poll, b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        made.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=made[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{made[-1].server_port}"

    yield make
    over.set()
    for each in made:
        each.shutdown()
        each.server_close()


class TestSite:
    def looked(self, url: str, version: int | None = None) -> Site:
        found = site.read(url, version)
        assert isinstance(found, Site)
        return found

    def test_a_long_poll_that_is_held_works(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(site, "HELD", 0.2)
        found = self.looked(serve(200, None), 15)
        assert (found.live, found.upgrade) == ("/longpolling/poll", None)

    @pytest.mark.parametrize(("status", "upgrade"), [(200, None), (404, "404"), (502, "502")])
    def test_one_that_is_answered_at_once_is_judged_by_its_status(self, status: int, upgrade: str | None, serve: Serve) -> None:
        assert self.looked(serve(200, status), 14).upgrade == upgrade

    def test_a_websocket_that_is_refused_says_how(self, serve: Serve) -> None:
        found = self.looked(serve(200, 404))
        assert (found.live, found.upgrade, found.home.status, found.loopback) == ("/websocket", "404 Not Found", 200, True)

    def test_one_that_says_nothing_after_its_tls_handshake_is_not_waited_for(
        self, authority: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trust.load_cert_chain(authority, authority.with_name("key.pem"))
        monkeypatch.setattr(site, "PATIENCE", 1.5)  # the handshake has its time, too
        with socket.create_server(("127.0.0.1", 0)) as door, ThreadPoolExecutor(1) as pool:
            place = site.Place("https", "localhost", door.getsockname()[1])
            said = pool.submit(site.upgraded, place, ssl.create_default_context())
            with trust.wrap_socket(door.accept()[0], server_side=True) as silent:
                assert silent.recv(3) == b"GET"
                assert said.result(30) == "timed out during opening handshake"

    def test_the_version_that_a_site_tells_decides_the_route(self, serve: Serve) -> None:
        told = '{"result": {"server_version_info": [15, 0, 0, "final", 0, ""]}}'
        found = self.looked(serve(200, 200, told))
        assert (found.version, found.live) == (15, "/longpolling/poll")

    @pytest.mark.parametrize("url", ["erp.example", "ftp://erp.example", "http://", "http://[::1", "http://x:y"])
    def test_what_is_no_url(self, url: str) -> None:
        found = site.read(url)
        assert isinstance(found, Unseen)
        assert url in found.why


class TestConf:
    def test_odoos_own_default_is_no_worker(self, tmp_path: Path) -> None:
        file = tmp_path / "server.conf"
        for text, own, workers in (
            ("addons_path = /opt\n", False, 0),
            ("addons_path = /opt\n", True, 2),
            ("app = a:b\n", False, 2),
        ):
            file.write_text(text)
            found = conf.read(file, own=own)
            assert isinstance(found, Conf)
            assert found.workers == workers

    def test_a_running_server_was_told_more_than_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "prefork.conf").write_text("[options]\nhttp_port = 8069\n")
        started = Started({"http_port": "8070", "app_dir": "site"}, tmp_path, {"PREFORK_WORKERS": "5"})
        found = conf.read(tmp_path / "prefork.conf", own=True, started=started)
        assert isinstance(found, Conf)
        assert (found.settings.http_port, found.settings.app_dir, found.workers) == (8070, tmp_path / "site", 5)

    @pytest.mark.parametrize(
        ("text", "why"), [(b"workers\n", "neither"), (b"a = \xff\n", "UTF-8"), (b"workers = 1\nworkers = 2\n", "already")]
    )
    def test_what_cannot_be_read_says_where(self, text: bytes, why: str, tmp_path: Path) -> None:
        (tmp_path / "odoo.conf").write_bytes(text)
        found = conf.read(tmp_path / "odoo.conf", own=False)
        assert isinstance(found, Unseen)
        assert f"{tmp_path}/odoo.conf:" in found.why
        assert why in found.why

    def test_a_directory_is_no_file(self, tmp_path: Path) -> None:
        assert isinstance(conf.read(tmp_path, own=False), Unseen)
        assert isinstance(nginx.read(tmp_path), Unseen)


def test_the_last_day_of_a_log_counts(tmp_path: Path) -> None:
    killed = "7 ERROR ? odoo.service.server: WorkerHTTP (41) timeout after 120s"
    file = tmp_path / "odoo.log"
    file.write_text(
        f"2026-11-01 10:00:00,000 {killed}\n" * 3 + f"2026-11-20 10:00:00,000 {killed}\n2026-11-20 14:00:00,000 7 INFO x\n"
    )
    found = log.read([file, tmp_path / "absent.log"])
    assert found is not None
    assert (found.path, found.killed, found.hours) == (str(file), 1, 4.0)
    assert log.read([tmp_path / "absent.log"]) is None


class TestPatroni:
    """Who leads the databases of this machine says its version at the address that its file names."""

    def file(self, place: Path, address: str) -> Path:
        found = place / "config.yml"
        found.write_text(f"name: db1\nrestapi:\n  listen: 10.0.0.51:8008\n  connect_address: {address}\netcd3: {{}}\n")
        return found

    def test_its_version_is_told(self, tmp_path: Path) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/patroni" else 404)
                self.end_headers()
                self.wfile.write(b'{"state": "running", "role": "primary", "patroni": {"version": "3.0.2", "scope": "odoo"}}')

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
            threading.Thread(target=serving.serve_forever, daemon=True).start()
            assert machine.patroni(self.file(tmp_path, f"127.0.0.1:{serving.server_port}")) == "3.0.2"
            serving.shutdown()

    def test_none_is_told_where_there_is_none(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert machine.patroni(self.file(tmp_path, address)) == ""
        assert machine.patroni(tmp_path / "no such file") == ""
