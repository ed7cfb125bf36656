"""A server on another machine: what is asked of it goes to the console there, with a token of that one.

Only TLS leaves this machine, its certificate is verified, and no redirect is followed: the token goes where it was meant to go.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from prefork.control.client import Unreachable
from prefork.instances.deadlines import Connection, SafeConnection
from prefork.instances.users import Declined

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = "/api/v1/instances/default"  # what a console calls its own server
LARGEST = 16 << 20  # bytes of an answer


class Answer(NamedTuple):
    """What the other console says; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Remote(NamedTuple):
    """Where the other console is, and the token for it."""

    url: str
    token: str

    def ask(self, method: str, below: str, timeout: float, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Its answer about its own server, within `timeout` seconds; `below` is the path from there on. Raises Unreachable."""
        parts = urlsplit(self.url)
        assert parts.hostname
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = SafeConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        else:
            connection = Connection(parts.hostname, parts.port, timeout=timeout)
        try:
            connection.request(method, PLACE + below, body or None, {**(headers or {}), "Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read(LARGEST))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the console at {self.url} cannot be reached: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def described(self, timeout: float) -> dict[str, Any]:
        """How its server is. Raises Unreachable."""
        answer = self.ask("GET", "", timeout)
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if answer.status == 401:
            raise Unreachable(f"the console at {self.url} does not know the token; give it another one")
        if answer.status != 200 or not isinstance(found, dict):
            raise Unreachable(f"what answers at {self.url} is no console: status {answer.status}")
        return found


def check(url: str) -> str:
    """A console's URL as it is kept. Raises Declined for one that a token must not go to."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        (parts.hostname or "").encode("idna")  # as who connects does
    except ValueError:
        raise Declined(f"{url} is no URL; write https://console.example:8071") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise Declined(f"{url} is not where a console is; write https://console.example:8071")
    if parts.scheme == "http" and not near(parts.hostname):
        raise Declined(f"a token for {parts.hostname} would travel unencrypted; write https://")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def near(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
