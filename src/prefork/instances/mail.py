"""Tells an alert by e-mail, encrypted as the options say, never with a password in the clear.

Each recipient is handed in alone: one whom the server refuses keeps nobody else's mail back, and has nobody else's repeated.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.instances.notices import Undeliverable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20.0  # seconds for each step of the conversation
STARTTLS, TLS = "starttls", "tls"


class Mailbox(NamedTuple):
    """Where mail is handed in, and for whom. `security` is `off`, `starttls` or `tls`.

    `password` reads that of `user`, or raises Undeliverable.
    """

    server: str
    port: int
    security: str
    user: str | None
    password: Callable[[], str | None]
    sender: str
    recipients: tuple[str, ...]


class Post:
    """What is handed in at one time. A server that cannot be spoken to is waited for once, and `away` says why."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.away = ""

    def send(self, recipient: str, number: int, told: dict[str, Any]) -> None:
        """Hand in a message for one of the recipients. Raises Undeliverable."""
        if self.away:
            raise Undeliverable(self.away)
        spoken = False
        try:
            with connected(self.mailbox) as connection:
                if self.mailbox.user:
                    connection.login(self.mailbox.user, self.mailbox.password() or "")
                spoken = True
                connection.send_message(message(self.mailbox, number, told), to_addrs=[recipient])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            said = f"{self.mailbox.server}:{self.mailbox.port} did not take it: {reason(error)}"
            if not spoken or isinstance(error, TimeoutError):
                self.away = said
            raise Undeliverable(said) from None


@contextmanager
def connected(mailbox: Mailbox) -> Iterator[smtplib.SMTP]:
    """A connection, encrypted where it is to be."""
    place = (mailbox.server, mailbox.port)
    if mailbox.security == TLS:
        with smtplib.SMTP_SSL(*place, timeout=PATIENCE, context=ssl.create_default_context()) as connection:
            yield connection
        return
    with smtplib.SMTP(*place, timeout=PATIENCE) as connection:
        if mailbox.security == STARTTLS:
            connection.starttls(context=ssl.create_default_context())
        yield connection


def message(mailbox: Mailbox, number: int, told: dict[str, Any]) -> EmailMessage:
    """What people read. The end of an alert is an answer to its beginning, so that mail programs show them together."""
    made = EmailMessage()
    over = told["event"] == "over"
    state = "Over" if over else told["level"].capitalize()
    made["Subject"] = plain(f"{state}: {told['title']} ({told['name']})")
    made["From"] = mailbox.sender
    made["To"] = ", ".join(mailbox.recipients)
    made["Date"] = formatdate()
    host = plain(told["node"]) or "localhost"
    first = f"<prefork.{told['instance']}.{told['alert']}.{told['raised']:.0f}@{host}>"
    made["Message-ID"] = f"<prefork.{told['instance']}.{told['alert']}.{number}@{host}>" if over else first
    if over:
        made["In-Reply-To"] = made["References"] = first
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n".join(lines(told)) + "\n")
    return made


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The message's text."""
    yield f"{plain(told['text'])[:1].upper()}{plain(told['text'])[1:]}."
    yield ""
    yield f"Instance: {plain(told['name'])} ({told['instance']}) on {plain(told['node'])}"
    yield f"Rule:     {told['rule']} ({told['level']})"
    yield f"Began:    {moment(told['began'])}"
    if told["event"] == "over":
        yield f"Over:     {moment(told['over'])}"


def moment(seconds: float) -> str:
    """A time that means the same to everybody."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def plain(text: str) -> str:
    """One line without anything that is not to be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def reason(error: Exception) -> str:
    """What went wrong, in words."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return answered(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException):
        return answered(error.smtp_code, error.smtp_error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return plain(str(error)) or type(error).__name__


def answered(code: int, said: bytes | str) -> str:
    """What a mail server has answered."""
    return f"{code} {plain(said.decode(errors='replace') if isinstance(said, bytes) else said)}"
