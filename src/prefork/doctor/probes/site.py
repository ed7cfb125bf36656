"""A site as a client sees it: its first page, its certificate, the way without TLS, and a WebSocket or long poll really opened."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Origin

from prefork.doctor.evidence import Page, Site, Unseen

PATIENCE = 5.0  # seconds for an answer
HELD = 2.0  # seconds after which a long poll without an answer is one that works
POLL = b'{"jsonrpc": "2.0", "method": "call", "params": {"channels": [], "last": 0, "options": {}}, "channels": []}'
DAY = 86_400
HTTPS = 443


class Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether nobody else can reach it."""
        try:
            return ipaddress.ip_address(socket.gethostbyname(self.host)).is_loopback
        except (OSError, ValueError):
            return False


def read(url: str, version: int | None = None) -> Site | Unseen:
    """What is at a URL. `version` is Odoo's, where it is known: it decides which live route there must be."""
    try:
        parts = urlsplit(url)
        place = Place(parts.scheme, parts.hostname or "", parts.port or (HTTPS if parts.scheme == "https" else 80))
    except ValueError as error:
        return Unseen(f"{url} is no URL: {error}")
    if place.scheme not in {"http", "https"} or not place.host:
        return Unseen(f"{url} is no URL of a site; write https://erp.example.com")
    trust, tls, days = certificate(place)
    try:
        home = ask(place, "GET", parts.path or "/", trust)
    except (OSError, http.client.HTTPException) as error:
        return Unseen(f"{url} does not answer: {error}")
    version = version or announced(place, trust)
    live, upgrade = opened(place, trust, version)
    plain = unencrypted(place) if place.scheme == "https" and place.port == HTTPS else None
    return Site(url, home, tls, days, plain, live, upgrade, place.loopback, version)


def certificate(place: Place) -> tuple[ssl.SSLContext, str, float | None]:
    """How to speak TLS with a site, what is wrong with its certificate, and for how many days it is valid."""
    strict = ssl.create_default_context()
    if place.scheme != "https":
        return strict, "", None
    try:
        with (
            socket.create_connection((place.host, place.port), PATIENCE) as plain,
            strict.wrap_socket(plain, server_hostname=place.host) as secured,
        ):
            until = secured.getpeercert()["notAfter"]  # type: ignore[index]
        return strict, "", (ssl.cert_time_to_seconds(str(until)) - time.time()) / DAY
    except ssl.SSLError as error:
        lenient = ssl._create_unverified_context()  # noqa: S323 - what else is wrong there is worth knowing
        return lenient, getattr(error, "verify_message", "") or str(error.reason or error), None
    except OSError:
        return strict, "", None


def ask(place: Place, method: str, path: str, trust: ssl.SSLContext, body: bytes | None = None, patience: float = PATIENCE) -> Page:
    """The head of an answer; redirects are not followed. Raises OSError or HTTPException."""
    connection = (
        http.client.HTTPSConnection(place.host, place.port, timeout=patience, context=trust)
        if place.scheme == "https"
        else http.client.HTTPConnection(place.host, place.port, timeout=patience)
    )
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return Page(answer.status, answer.getheader("Location", ""), answer.getheader("Server", ""))
    finally:
        connection.close()


def announced(place: Place, trust: ssl.SSLContext) -> int | None:
    """The version that an Odoo tells everybody, its first number."""
    connection = (
        http.client.HTTPSConnection(place.host, place.port, timeout=PATIENCE, context=trust)
        if place.scheme == "https"
        else http.client.HTTPConnection(place.host, place.port, timeout=PATIENCE)
    )
    try:
        connection.request("POST", "/web/webclient/version_info", b"{}", {"Content-Type": "application/json"})
        return int(json.loads(connection.getresponse().read(1 << 16))["result"]["server_version_info"][0])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, IndexError):
        return None
    finally:
        connection.close()


def opened(place: Place, trust: ssl.SSLContext, version: int | None) -> tuple[str, str | None]:
    """The live route that was tried, and what came instead of a connection; None where there was one."""
    if version is not None and version <= 15:
        return "/longpolling/poll", polled(place, trust)
    return "/websocket", upgraded(place, trust)


def upgraded(place: Place, trust: ssl.SSLContext) -> str | None:
    """What came instead of a WebSocket."""
    origin = f"{place.scheme}://{place.host}" + ("" if place.port in {80, HTTPS} else f":{place.port}")
    address = f"{origin.replace('http', 'ws', 1)}/websocket"
    try:
        asyncio.run(shaken(address, trust if place.scheme == "https" else None, origin))
        return None
    except InvalidStatus as refusal:
        return f"{refusal.response.status_code} {refusal.response.reason_phrase}".rstrip()
    except (WebSocketException, OSError, TimeoutError) as error:
        return str(error) or type(error).__name__


async def shaken(address: str, trust: ssl.SSLContext | None, origin: str) -> None:
    """Open a WebSocket. In a loop: the library's threads wait for ever for a server that says nothing after its TLS handshake."""
    async with connect(address, ssl=trust, origin=Origin(origin), open_timeout=PATIENCE, close_timeout=1, proxy=None):
        pass


def polled(place: Place, trust: ssl.SSLContext) -> str | None:
    """What came instead of a long poll that waits. An answer at once may be news, so its status decides."""
    try:
        page = ask(place, "POST", "/longpolling/poll", trust, POLL, HELD)
    except TimeoutError:
        return None
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    return None if page.status == http.client.OK else str(page.status)


def unencrypted(place: Place) -> Page | None:
    """What the same host says without TLS; None where nobody is there."""
    try:
        return ask(Place("http", place.host, 80), "GET", "/", ssl.create_default_context())
    except (OSError, http.client.HTTPException):
        return None
