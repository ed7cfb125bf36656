"""Which address shows which page: the table, and the files that pages are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles

from prefork.console.gate import MACHINES
from prefork.console.pages import account, incidents, jobs, monitoring, people, performance, server
from prefork.console.pages.paper import STATIC
from prefork.console.pages.visit import gate
from prefork.console.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

    from prefork.console.pages.visit import Visit

    Table = dict[str, Callable[[Visit], Response]]

READ: Table = {
    "/": account.home,
    "/instances": monitoring.instances,
    "/instances/new": server.new,
    "/instances/{id}": monitoring.overview,
    "/instances/{id}/server": server.server,
    "/instances/{id}/series": monitoring.series,
    "/instances/{id}/live": monitoring.live,
    "/instances/{id}/workers": monitoring.workers,
    "/instances/{id}/routes": monitoring.routes,
    "/instances/{id}/stacks": monitoring.stacks,
    "/instances/{id}/log": monitoring.log,
    "/instances/{id}/incidents": incidents.listing,
    "/instances/{id}/incidents/{name}": incidents.detail,
    "/instances/{id}/jobs": jobs.listing,
    "/instances/{id}/job": jobs.detail,
    "/instances/{id}/settings": performance.form,
    "/alerts": account.alerts,
    "/account": account.account,
    "/people": people.listing,
    "/people/{number}": people.person,
    "/audit": people.audit,
}
CHANGE: Table = {
    "/instances/new": server.make,
    "/instances/new/prospect": server.prospect,
    "/instances/{id}/server": server.steer,
    "/instances/{id}/server/upgrade": server.upgrade,
    "/instances/{id}/server/delete": server.delete,
    "/instances/{id}/retire": monitoring.retire,
    "/instances/{id}/job": jobs.steer,
    "/instances/{id}/job/edit": jobs.edit,
    "/instances/{id}/settings": performance.submit,
    "/instances/{id}/settings/meaning": performance.meaning,
    "/instances/{id}/settings/undo": performance.undo,
    "/account/tokens": account.make_token,
    "/account/tokens/revoke": account.revoke_token,
    "/account/password": account.change_password,
    "/people": people.add,
    "/people/{number}": people.change,
    "/people/{number}/password": people.renew,
    "/people/{number}/remove": people.remove,
}
FOR_GOOD = b"public, max-age=31536000, immutable"  # a file's address changes with its content


def routes() -> list[BaseRoute]:
    """For the console's application."""
    return [
        Mount("/static", GZipMiddleware(Files(directory=STATIC, check_dir=False), minimum_size=1000)),
        *(Route(path, gate(show), methods=["GET"]) for path, show in READ.items()),
        *(Route(path, gate(show), methods=["POST"]) for path, show in CHANGE.items()),
        Lost("/{path:path}", gate(lost), methods=["GET"]),
    ]


class Lost(Route):
    """Every address that is no page's; those of programs have answers of their own."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is one."""
        return (Match.NONE, {}) if scope["path"].startswith(MACHINES) else super().matches(scope)


def lost(_visit: Visit) -> Response:
    """What somebody sees who has mistyped an address. Raises ProblemError."""
    raise ProblemError(404, "there is no page at this address")


class Files(StaticFiles):
    """Files that browsers keep for good."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["headers"] = [*message["headers"], (b"cache-control", FOR_GOOD)]
            await send(message)

        await super().__call__(scope, receive, marked)
