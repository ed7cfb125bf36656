"""A peer that drips is given up when its time is over, however often it sends something."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from prefork.control.client import Unreachable
from prefork.instances import webhook
from prefork.instances.deadlines import Deadline, Wire
from prefork.instances.notices import Undeliverable
from prefork.instances.remote import Remote
from prefork.instances.webhook import Hook

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
LIMIT = 0.5  # seconds
LONG = 10.0  # seconds that it drips, if it is let


@contextmanager
def dripping(head: bytes, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Where somebody takes one request, sends a beginning at once, and then a byte every twentieth of a second."""
    over = threading.Event()

    def answer(wire: socket.socket) -> None:
        with suppress(OSError), wire if tls is None else tls.wrap_socket(wire, server_side=True) as peer:
            peer.recv(65536)
            peer.sendall(head)
            ends = time.monotonic() + LONG
            while time.monotonic() < ends and not over.wait(0.05):
                peer.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: answer(listener.accept()[0]))
        thread.start()
        place = "https://localhost" if tls else "http://127.0.0.1"
        yield f"{place}:{listener.getsockname()[1]}"
        over.set()
        thread.join()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server whose certificate is trusted."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("head", [b"", HEAD[:20], HEAD], ids=["the head", "a header", "the body"])
def test_a_console_that_drips_holds_nobody(head: bytes) -> None:
    with dripping(head) as url:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="cannot be reached: timed out"):
            Remote(url, "theirs").ask("GET", "/status", LIMIT)
        assert LIMIT <= time.monotonic() - begun < LONG / 2


def test_neither_does_one_with_tls(tls: ssl.SSLContext) -> None:
    with dripping(HEAD, tls) as url:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            Remote(url, "theirs").ask("GET", "/status", LIMIT)
        assert time.monotonic() - begun < LONG / 2


def test_what_comes_in_time_is_had_over_tls(tls: ssl.SSLContext) -> None:
    with dripping(HEAD.replace(b"4000", b"4") + b"said", tls) as url:
        answer = Remote(url, "theirs").ask("POST", "/reload", LONG, b"x" * (1 << 20))
        assert (answer.status, answer.body) == (200, b"said")


def test_a_receiver_of_webhooks_that_drips_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PATIENCE", LIMIT)
    with dripping(HEAD[:20]) as url:
        begun = time.monotonic()
        with pytest.raises(Undeliverable, match="timed out"):
            webhook.send(Hook(url, lambda: None), 1, {})
        assert time.monotonic() - begun < LONG / 2


def test_a_peer_that_reads_nothing_is_given_up() -> None:
    class Full:
        def send(self, data: Any) -> int:
            return 1

        def settimeout(self, seconds: float) -> None:
            assert 0 < seconds <= LIMIT

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        Wire(Full(), Deadline(LIMIT)).sendall(bytes(1 << 30))  # type: ignore[arg-type]
    assert time.monotonic() - begun < LONG / 2
