"""Alerts reach a real mail server and a real receiver of webhooks, and what does not get through says why."""

import asyncio
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from prefork.config import Settings
from prefork.instances import notices, webhook
from prefork.instances.database import Database
from prefork.instances.mail import Mailbox, Post
from prefork.instances.notices import Undeliverable
from prefork.instances.watch import senders
from prefork.instances.webhook import Hook

if TYPE_CHECKING:
    from email.message import EmailMessage

TOLD: dict[str, Any] = {
    "alert": 5,
    "event": "raised",
    "instance": "default",
    "name": "shop",
    "node": "web1",
    "rule": "shedding",
    "subject": "",
    "level": "critical",
    "title": "requests are refused",
    "text": "7 requests were refused in the last minute",
    "began": 1_790_035_200.0,
    "raised": 1_790_035_210.0,
    "over": None,
}
HER, HIM = "a@example.com", "b@example.com"
OVER = TOLD | {"event": "over", "over": 1_790_035_900.0}


class Inbox:
    """What a mail server does with what it is handed in."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []
        self.answer = "250 OK"
        self.asked: list[str] = []
        self.refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.asked.append(address)
        if address in self.refused:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None)
        return self.answer


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    known = (data.login, data.password) == (b"alerts", b"open sesame")
    return AuthResult(success=known, handled=known)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost, signed by itself; the key is in the same file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-keyout", path, "-out", f"{path}.crt", *subject], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def listening(inbox: Inbox, certificate: ssl.SSLContext | None, options: dict[str, Any]) -> Iterator[int]:
    """A mail server's port. aiosmtpd's own controller gives up when a machine is busy for a second."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(inbox, loop=loop, **options), "127.0.0.1", 0, ssl=certificate)

    async def end() -> None:
        server.close()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for each in conversations:
            each.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def postbox() -> Iterator[Callable[..., tuple[Inbox, Mailbox]]]:
    """Starts a mail server, and says how to reach it."""
    with ExitStack() as stack:

        def start(
            security: str = "off", user: str | None = None, tls: ssl.SSLContext | None = None, **more: Any
        ) -> tuple[Inbox, Mailbox]:
            inbox = Inbox()
            port = stack.enter_context(listening(inbox, tls, more))
            return inbox, Mailbox("localhost", port, security, user, lambda: "open sesame", "prefork@example.com", (HER, HIM))

        yield start


def test_a_mail_says_what_is_the_matter(postbox: Callable[..., tuple[Inbox, Mailbox]]) -> None:
    inbox, mailbox = postbox()
    Post(mailbox).send(HER, 1, TOLD)
    Post(mailbox).send(HER, 2, OVER)
    first, second = inbox.messages
    assert first["Subject"] == "Critical: requests are refused (shop)"
    assert (first["From"], first["To"]) == ("prefork@example.com", "a@example.com, b@example.com")
    assert inbox.recipients == [HER, HER]
    assert first.get_content().splitlines() == [
        "7 requests were refused in the last minute.",
        "",
        "Instance: shop (default) on web1",
        "Rule:     shedding (critical)",
        "Began:    2026-09-22 00:00:00 UTC",
    ]
    assert second["Subject"] == "Over: requests are refused (shop)"
    assert second["In-Reply-To"] == first["Message-ID"]
    assert second.get_content().splitlines()[-1] == "Over:     2026-09-22 00:11:40 UTC"


def test_what_somebody_has_named_cannot_write_headers(postbox: Callable[..., tuple[Inbox, Mailbox]]) -> None:
    inbox, mailbox = postbox()
    Post(mailbox).send(HER, 1, TOLD | {"name": "shop\r\nBcc: c@example.com", "text": "a\n.\nb\x1b[2J"})
    (found,) = inbox.messages
    assert found["Bcc"] is None
    assert found["Subject"] == "Critical: requests are refused (shop Bcc: c@example.com)"
    assert found.get_content().startswith("A . b [2J.\r\n")


def test_the_password_is_said_behind_starttls_only(
    postbox: Callable[..., tuple[Inbox, Mailbox]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = trusting(certificate)
    inbox, mailbox = postbox(
        "starttls", "alerts", tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True
    )
    with pytest.raises(Undeliverable, match="certificate verify failed"):
        Post(mailbox).send(HER, 1, TOLD)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    Post(mailbox).send(HER, 1, TOLD)
    assert inbox.encrypted == [True]
    with pytest.raises(Undeliverable, match="535"):
        Post(mailbox._replace(password=lambda: "open barley")).send(HER, 1, TOLD)


def test_a_server_that_offers_no_encryption_gets_nothing(postbox: Callable[..., tuple[Inbox, Mailbox]]) -> None:
    inbox, mailbox = postbox("starttls", "alerts")
    with pytest.raises(Undeliverable, match="STARTTLS"):
        Post(mailbox).send(HER, 1, TOLD)
    assert inbox.messages == []


def test_tls_from_the_first_byte(
    postbox: Callable[..., tuple[Inbox, Mailbox]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    inbox, mailbox = postbox("tls", tls=trusting(certificate))
    Post(mailbox).send(HER, 1, TOLD)
    assert len(inbox.messages) == 1


def test_why_a_mail_did_not_get_through(postbox: Callable[..., tuple[Inbox, Mailbox]]) -> None:
    inbox, mailbox = postbox()
    inbox.answer = "452 4.3.1 mailbox full"
    with pytest.raises(Undeliverable, match=r"localhost:\d+ did not take it: 452 4.3.1 mailbox full"):
        Post(mailbox).send(HER, 1, TOLD)
    with pytest.raises(Undeliverable, match="localhost:1 did not take it: Connection refused"):
        Post(mailbox._replace(port=1)).send(HER, 1, TOLD)


def test_a_recipient_who_is_refused_keeps_nothing_from_the_others(
    postbox: Callable[..., tuple[Inbox, Mailbox]], db: Database
) -> None:
    inbox, box = postbox()
    inbox.refused = {HIM}
    options = {"smtp_server": box.server, "smtp_port": box.port, "smtp_ssl": "off", "email_from": box.sender}
    settings = Settings(alert_email=(HIM, HER), **options)
    for number, now in enumerate((0.0, 5.0)):
        notices.queue(db, "default", senders(settings), TOLD | {"title": str(number)}, now)
        failures = notices.deliver(db, "default", senders(settings), now)
        assert [(failure.way, failure.reason.partition(": ")[2]) for failure in failures] == (
            [("email to b@example.com", "550 5.1.1 no such user")] if number == 0 else []
        )
    assert inbox.recipients == [HER, HER]
    inbox.refused = set()
    assert notices.deliver(db, "default", senders(settings), 20.0) == []
    assert inbox.recipients == [HER, HER, HIM, HIM]
    titles = [message["Subject"] for message in inbox.messages]
    assert titles == [f"Critical: {number} (shop)" for number in (0, 1, 0, 1)]


def test_a_server_that_is_away_is_waited_for_once(postbox: Callable[..., tuple[Inbox, Mailbox]]) -> None:
    inbox, mailbox = postbox()
    post = Post(mailbox._replace(port=1))
    with pytest.raises(Undeliverable, match="Connection refused"):
        post.send(HER, 1, TOLD)
    post.mailbox = mailbox
    with pytest.raises(Undeliverable, match="Connection refused"):
        post.send(HIM, 1, TOLD)
    assert inbox.asked == []


class Receiver(BaseHTTPRequestHandler):
    """Notes what it gets, and answers as it is told to."""

    got: list[tuple[dict[str, str], bytes]]
    status: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    class Fresh(Receiver):
        status = 204

    Fresh.got = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield Fresh, f"http://127.0.0.1:{server.server_port}/alerts/t0ken"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_json(receiver: tuple[type[Receiver], str]) -> None:
    handler, url = receiver
    webhook.send(Hook(url, lambda: "open sesame"), 7, TOLD, lambda: 1_790_035_300.9)
    ((headers, body),) = handler.got
    assert json.loads(body) == {"id": 7, **TOLD}
    assert (headers["content-type"], headers["x-prefork-delivery"]) == ("application/json", "7")
    signed = headers["x-prefork-timestamp"].encode() + b"." + body
    assert headers["x-prefork-timestamp"] == "1790035300"
    assert headers["x-prefork-signature"] == "sha256=" + hmac.new(b"open sesame", signed, hashlib.sha256).hexdigest()


def test_without_a_secret_it_is_not_signed(receiver: tuple[type[Receiver], str]) -> None:
    handler, url = receiver
    webhook.send(Hook(url, lambda: None), 7, TOLD)
    assert "x-prefork-signature" not in handler.got[0][0]


@pytest.mark.parametrize("status", [302, 307, 404, 503])
def test_a_receiver_that_does_not_take_it_is_named_without_the_secrets_of_its_url(
    receiver: tuple[type[Receiver], str], status: int
) -> None:
    handler, url = receiver
    handler.status = status
    with pytest.raises(Undeliverable) as caught:
        webhook.send(Hook(url, lambda: None), 7, TOLD)
    assert str(caught.value) == f"127.0.0.1 answered {status}"
    assert len(handler.got) == 1, "nobody is asked who was not named"


def test_a_receiver_that_is_not_there() -> None:
    with pytest.raises(Undeliverable, match=r"127\.0\.0\.1 cannot be reached: .*Connection refused"):
        webhook.send(Hook("http://127.0.0.1:1/t0ken", lambda: None), 7, TOLD)
