"""One request for a page: who makes it, what a form has sent, and what becomes of a refusal. A page is a function of a `Visit`.

Who is not logged in is led to the login. A change has to bring along what only a page of ours could have given it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, quote

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response

from prefork.console.pages.source import Refused
from prefork.console.pages.paper import HEADERS, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fastapi import Request

    from prefork.console.pages.source import Source, Visitor

LARGEST = 64 << 10  # bytes of a form


class Reception(Protocol):
    """Who knows the visitors."""

    def recognise(self, request: Request) -> Visitor | None:
        """Whose cookie this is."""

    def desk(self, visitor: Visitor, request: Request) -> Source:
        """What they may ask."""

    def log_in(self, request: Request, name: str, password: str) -> Callable[[Response], None]:
        """Begin a session; what is returned puts the cookie into the answer. Raises Refused."""

    def log_out(self, request: Request) -> Callable[[Response], None]:
        """End it; what is returned takes the cookie away."""


@dataclass(frozen=True)
class Visit:
    """Somebody's request for a page."""

    request: Request
    visitor: Visitor
    source: Source
    form: Mapping[str, str]

    @property
    def identity(self) -> str:
        """Which instance it is about."""
        return str(self.request.path_params["id"])

    @property
    def root(self) -> str:
        """Where the pages of this instance are."""
        return f"/instances/{quote(self.identity, safe='')}"

    def asked(self, name: str, default: str = "") -> str:
        """What the address says behind the question mark."""
        return self.request.query_params.get(name, default)

    def number(self, name: str) -> int | None:
        """The same as a whole number, if it is one."""
        text = self.asked(name) or self.form.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    def page(self, template: str, code: int = 200, **values: object) -> Response:
        """A page for them."""
        return page(template, self.visitor, code, **values)



def gate(show: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint from a page."""

    async def endpoint(request: Request) -> Response:
        reception: Reception = request.app.state.reception
        visitor = await run_in_threadpool(reception.recognise, request)
        if visitor is None:
            return to_login(request)
        try:
            form = await sent(request, visitor) if request.method == "POST" else {}
            return await run_in_threadpool(show, Visit(request, visitor, reception.desk(visitor, request), form))
        except Refused as refused:
            return refusal(request, visitor, refused)

    return endpoint


async def sent(request: Request, visitor: Visitor) -> dict[str, str]:
    """The fields of a form. Raises Refused where it is not one of ours."""
    fields = await read(request)
    if not visitor.csrf or not hmac.compare_digest(fields.pop("csrf", "").encode(), visitor.csrf.encode()):
        raise Refused(403, "Refused", "This form is not from a page of this login: open the page again and repeat what you did.")
    return fields


async def read(request: Request) -> dict[str, str]:
    """The fields of a form, whoever sends it. Raises Refused for one that is too large."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > LARGEST:
            raise Refused(413, "Too large", "No form of these pages is that large.")
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=100))


def to_login(request: Request) -> Response:
    """What somebody gets who is not logged in: programs of a page a status, people the login and then what they wanted."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={**HEADERS, "HX-Refresh": "true"})
    if for_programs(request):
        return JSONResponse({"title": "Unauthorized", "status": 401, "detail": "Log in first."}, 401, HEADERS)
    wanted = request.url.path if request.method == "GET" else ""
    return RedirectResponse(f"/login?next={quote(wanted)}" if wanted not in {"", "/"} else "/login", 303, HEADERS)


def for_programs(request: Request) -> bool:
    """Whether a script of a page asks, which reads JSON."""
    return request.headers.get("accept", "").startswith(("application/json", "text/event-stream"))


def refusal(request: Request, visitor: Visitor, refused: Refused) -> Response:
    """What is shown instead of a page."""
    if for_programs(request):
        return JSONResponse({"title": refused.title, "status": refused.status, "detail": str(refused)}, refused.status, HEADERS)
    return page("error.html", visitor, refused.status, title=refused.title, text=str(refused))


def seen_next(address: str) -> Response:
    """Leads on after a change, so that a reload of the page does not repeat it."""
    return RedirectResponse(address, 303, HEADERS)
