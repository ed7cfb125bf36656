"""Who asks, and whether they may: a cookie or a token becomes a `Visitor`, and a route says which role it takes.

Whoever comes with a cookie brings the login's token along with each change: a page elsewhere cannot know it.
"""

from __future__ import annotations

import base64
import hmac
import math
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from prefork.console.problems import ProblemError
from prefork.instances import logins, tokens
from prefork.instances.roles import ADMINISTRATOR, OPERATOR, VIEWER, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.console.desk import Desk

COOKIE = "prefork_console"
HEADER = "X-CSRF-Token"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="prefork", Basic realm="prefork"'}


def recognise(request: Request, desk: Desk) -> Visitor | None:
    """Who asks. A token counts more than a cookie, and a wrong one is nobody's."""
    given = request.headers.get("Authorization")
    if given is not None:
        return tokens.recognise(desk.db, secret_in(given))
    cookie = request.cookies.get(COOKIE)
    return logins.recognise(desk.db, cookie) if cookie else None


def secret_in(authorization: str) -> str:
    """The token in a header: that of Bearer, or the password of Basic."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def client_of(request: Request) -> str:
    """The address that asks."""
    return request.client.host if request.client else "unknown"


def keep_pace(request: Request, desk: Desk, who: str) -> None:
    """Raises ProblemError where somebody asks too often."""
    wait = desk.pace.take(f"{who}@{client_of(request)}")
    if wait:
        headers = {"Retry-After": str(math.ceil(wait))}
        raise ProblemError(429, "too many requests; 20 a second are answered", "rate-limit", headers)


async def brought(request: Request) -> str:
    """The login's token that a change brings along: in a header, or in a form's field."""
    if HEADER in request.headers or request.method in SAFE:
        return request.headers.get(HEADER, "")
    if request.headers.get("Content-Type", "").startswith(FORMS):
        return str((await request.form()).get("csrf", ""))
    return ""


def visitor(request: Request, token: Annotated[str, Depends(brought)]) -> Visitor:
    """Who asks, as the gate has found. Raises ProblemError where a change is not theirs."""
    found: Visitor = request.state.visitor
    if found.csrf is not None and request.method not in SAFE and not genuine(token, found.csrf):
        raise ProblemError(403, f"a change with a cookie needs the login's token, in the header {HEADER}", "csrf")
    return found


def genuine(given: str, csrf: str) -> bool:
    """Whether this is the login's token, compared in constant time."""
    return hmac.compare_digest(given.encode(), csrf.encode())


def require(visitor: Visitor, role: str, instance: str | None = None) -> None:
    """Raises ProblemError where somebody does not have a role. What one may not even see is not there."""
    if visitor.may(role, instance):
        return
    if instance is not None and not visitor.may(VIEWER, instance):
        raise ProblemError(404, f"there is no instance {instance}, or it is not yours to see")
    where = f"for {instance}" if instance is not None else "for this console"
    raise ProblemError(403, f"this takes the role {role} {where}; you have {visitor.role_for(instance)}", "forbidden")


AnyVisitor = Annotated[Visitor, Depends(visitor)]


def having(role: str) -> Callable[..., Visitor]:
    """The visitor of a route that takes a role: for the instance in its path, or else for the console."""

    def check(request: Request, found: AnyVisitor) -> Visitor:
        require(found, role, request.path_params.get("instance_id"))
        return found

    return check


AsViewer = Annotated[Visitor, Depends(having(VIEWER))]
AsOperator = Annotated[Visitor, Depends(having(OPERATOR))]
AsAdministrator = Annotated[Visitor, Depends(having(ADMINISTRATOR))]
