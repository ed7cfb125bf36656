"""One request for a page: who makes it, what a form has sent, and what becomes of a refusal. A page is a function of a `Visit`.

The gate has found out who it is. A change has to bring along what only a page of ours could have given it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from prefork.console import problems
from prefork.console.access import brought, genuine
from prefork.console.pages.paper import page
from prefork.console.problems import EXPECTED, ProblemError
from prefork.console.relay import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prefork.console.pages.source import Source
    from prefork.instances.roles import Visitor

# What happened, in a few words, by the kind of the problem; others are what their status is called.
TITLES = {
    "plan-limit": "The plan does not include it",
    "invalid-settings": "Not saved",
    "invalid-job": "Not saved",
    "precondition-failed": "Not saved",
    "conflict": "Not now",
    "unreachable": "The server does not answer",
    "refused": "It cannot be shown",
    "csrf": "Not from this page",
}


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
        """A whole number from there or from the form."""
        text = self.asked(name) or self.form.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    def may(self, role: str) -> bool:
        """Whether they have a role for the instance that it is about."""
        return self.visitor.may(role, self.identity)

    def page(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page for them."""
        return page(template, self.visitor, code, **values)


@dataclass(frozen=True)
class Refusal:
    """What is said instead of what was asked for; `fields` by their names."""

    status: int
    title: str
    text: str
    fields: Mapping[str, str]

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """From what the API's functions raise."""
        problem = problems.told(error)
        said = problem.detail[:1].upper() + problem.detail[1:]
        return cls(problem.status, TITLES.get(problem.kind) or problem.phrase, said, problem.more.get("errors", {}))


def gate(show: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint from a page."""

    async def endpoint(request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        try:
            form = await sent(request, visitor) if request.method == "POST" else {}
            visit = Visit(request, visitor, request.app.state.source(request, visitor), form)
            return await run_in_threadpool(show, visit)
        except Elsewhere as error:
            return page("elsewhere.html", visitor, 501, url=f"{error.remote.url}/instances/default")
        except EXPECTED as error:
            if request.headers.get("accept", "").startswith(("application/json", "text/event-stream")):
                return problems.answer(problems.told(error))
            refusal = Refusal.of(error)
            return page("error.html", visitor, refusal.status, refusal=refusal)

    return endpoint


async def sent(request: Request, visitor: Visitor) -> Mapping[str, str]:
    """The fields of a form. Raises ProblemError where it is not one of ours."""
    if visitor.csrf is None or not genuine(await brought(request), visitor.csrf):
        raise ProblemError(403, "open the page again and repeat what you did: its form was not made for this login", "csrf")
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def lead_on(address: str) -> Response:
    """To another page after a change, so that a reload of the page does not repeat it."""
    return RedirectResponse(address, 303)
