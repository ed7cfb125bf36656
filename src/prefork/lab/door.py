"""How clients come in: by the address that the edges share, each request by a connection of its own, with TLS.

Whoever uses it has joined the lab's network.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.lab.estate import Estate

CONNECTING, ANSWERING = 1.0, 15.0  # seconds that a client waits


class Away(OSError):
    """Nobody listens at the door, or nobody answers within a second."""


@dataclass(frozen=True)
class Door:
    """Where clients come in."""

    address: str
    port: int
    domain: str

    def socket(self) -> socket.socket:
        """A connection. Raises Away."""
        try:
            return socket.create_connection((self.address, self.port), CONNECTING)
        except OSError as error:
            raise Away(str(error)) from None


def door(estate: Estate) -> Door:
    """That of a lab: the address that its edges share, or the only one's."""
    return Door(estate.topology.address("edge"), estate.topology.site.https_port, estate.topology.site.domain)


def trusting() -> ssl.SSLContext:
    """Accepts the lab's certificate, which nobody has signed."""
    found = ssl.create_default_context()
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


class Visitor(HTTPSConnection):
    """One request by a connection of its own, to the site's name at the door's address."""

    def __init__(self, door: Door, context: ssl.SSLContext) -> None:
        super().__init__(door.domain, door.port, timeout=ANSWERING, context=context)
        self.door, self.trust = door, context

    def connect(self) -> None:
        """Raises Away, and OSError for what comes after a connection was made."""
        plain = self.door.socket()
        plain.settimeout(ANSWERING)
        self.sock = self.trust.wrap_socket(plain, server_hostname=self.door.domain)
