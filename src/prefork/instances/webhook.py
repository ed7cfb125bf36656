"""Tells an alert to a URL: a POST of JSON, signed with a secret that both sides know. Redirections are not followed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import __version__
from prefork.instances.deadlines import Connection, SafeConnection
from prefork.instances.notices import Undeliverable

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0  # seconds for the receiver to answer


class Hook(NamedTuple):
    """Where it goes. `secret` reads what signs it, None for unsigned, and raises Undeliverable."""

    url: str
    secret: Callable[[], str | None]


class Stay(urllib.request.HTTPRedirectHandler):
    """The secret was agreed on with this receiver, not with one that it names."""

    def redirect_request(self, *_: Any) -> None:
        """No other request."""


class Plain(urllib.request.HTTPHandler):
    """Connections that end in time."""

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Over one without TLS."""
        return self.do_open(Connection, request)


class Safe(urllib.request.HTTPSHandler):
    """Connections that end in time, and prove whose they are."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Over one with TLS."""
        return self.do_open(SafeConnection, request, context=ssl.create_default_context())


OPENER = urllib.request.build_opener(Stay, Plain, Safe)


def send(hook: Hook, number: int, told: dict[str, Any], clock: Callable[[], float] = time.time) -> None:
    """Tell one notice. Any answer of the status 2xx says that it was taken. Raises Undeliverable."""
    body = json.dumps({"id": number, **told}).encode()
    receiver = urllib.parse.urlsplit(hook.url).hostname  # the rest of it may be a secret
    try:
        headers = {"Content-Type": "application/json", "User-Agent": f"prefork/{__version__}", "X-Prefork-Delivery": str(number)}
        secret = hook.secret()
        if secret:
            headers |= signature(secret, body, int(clock()))
        request = urllib.request.Request(hook.url, body, headers, method="POST")  # noqa: S310 - the option allows http and https only
        with OPENER.open(request, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise Undeliverable(f"{receiver} answered {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undeliverable(f"{receiver} cannot be reached: {getattr(error, 'reason', None) or error}") from None


def signature(secret: str, body: bytes, moment: int) -> dict[str, str]:
    """The headers that prove who has sent it, and when: HMAC-SHA256 of the time, a point, and the body."""
    made = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return {"X-Prefork-Timestamp": str(moment), "X-Prefork-Signature": f"sha256={made}"}
