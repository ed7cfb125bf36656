"""In front of every route: who asks is recognised once, nobody gets past it, and each answer says what browsers may do with it.

Without credentials the API and /metrics answer 401, and pages lead to the login, whatever else is wrong with the request.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from prefork.console.access import CHALLENGE, client_of, keep_pace, recognise
from prefork.console.problems import ProblemError, answer, told
from prefork.instances.database import Unusable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from prefork.console.desk import Desk

LOGIN = "/login"
OPEN = (LOGIN, "/static/")
MACHINES = ("/api/", "/metrics")
LARGEST = 1 << 20  # bytes of a request's body
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TRANSPORT = "max-age=31536000"


class Gate:
    """ASGI middleware; what it finds is `request.state.visitor`."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sealed = seal(scope, send)
        refusal = await self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, sealed)

    async def _refusal(self, request: Request) -> Response | None:
        path = request.scope["path"]
        try:
            check_address(request)
            check_way(request, insecure=self.desk.insecure)
            check_size(request)
            found = await run_in_threadpool(recognise, request, self.desk)
            keep_pace(request, self.desk, found.name if found else "")
        except (ProblemError, Unusable) as problem:
            return answer(told(problem))
        request.state.visitor = found
        if found is not None or path.startswith(OPEN):
            return None
        if path.startswith(MACHINES):
            said = "log in, or come with a token: Authorization: Bearer …"
            return answer(ProblemError(401, said, "unauthorized", CHALLENGE))
        if "HX-Request" in request.headers:  # a part of a page that stands open: as a whole it leads to the login
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        wanted = f"?next={quote(path)}" if request.method == "GET" and path != "/" else ""
        return RedirectResponse(LOGIN + wanted, 303)


def check_address(request: Request) -> None:
    """Raises ProblemError for what no browser sends: nothing behind this has to think of it."""
    if not request.scope["query_string"].isascii():
        raise ProblemError(400, "an address is ASCII; write all else with %")


def check_way(request: Request, *, insecure: bool) -> None:
    """Raises ProblemError for what has come over a network that others listen to: past the proxy, or through one that hides it."""
    if request.scope["scheme"] == "https" or insecure or not is_far(client_of(request)):
        return
    said = "this came unencrypted; come through the proxy, and have it say X-Forwarded-Proto: https, or set console_insecure = True"
    raise ProblemError(403, said, "unencrypted")


def is_far(client: str) -> bool:
    """Whether an address is another machine's."""
    try:
        return not ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False


def check_size(request: Request) -> None:
    """Raises ProblemError for a body that is too large, or does not say how large it is."""
    length = request.headers.get("Content-Length", "0")
    if "Transfer-Encoding" in request.headers:
        raise ProblemError(411, "a request's body comes with its Content-Length")
    if not length.isdecimal() or len(length) > len(str(LARGEST)) or int(length) > LARGEST:
        raise ProblemError(413, f"a request's body has {LARGEST} bytes at the most")


def seal(scope: Scope, send: Send) -> Send:
    """Send answers with what browsers have to know."""

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if scope["scheme"] == "https":
                headers["Strict-Transport-Security"] = TRANSPORT
        await send(message)

    return sealed
