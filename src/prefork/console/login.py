"""Logging in and out: a form, a wait that doubles with each wrong password, a cookie that scripts and other sites never see."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from prefork.console.access import COOKIE, AnyVisitor, client_of
from prefork.console.desk import AtDesk
from prefork.console.gate import LOGIN
from prefork.console.pages.paper import page
from prefork.console.problems import ProblemError, told
from prefork.instances import audit, logins, users
from prefork.instances.database import Unusable

router = APIRouter(include_in_schema=False)
LONGEST_NAME = 100  # characters; what somebody types may be longer, and is remembered


@router.get(LOGIN)
def show() -> Response:
    """The form."""
    return page("login.html", None, name="", problem="")


@router.post(LOGIN)
def log_in(request: Request, desk: AtDesk, name: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    """Log somebody in, and lead them where they wanted to go."""
    if not from_here(request):
        raise ProblemError(403, "this login comes from another site; open the console's own page", "csrf")
    try:
        visitor = enter(desk, client_of(request), name, password)
        if old := request.cookies.get(COOKIE):
            logins.end(desk.db, old)
        login = logins.begin(desk.db, visitor.id)
    except (ProblemError, Unusable) as error:
        problem = told(error)
        said = problem.detail[:1].upper() + problem.detail[1:]
        return page("login.html", None, problem.status, problem.headers, name=name, problem=f"{said}.")
    answer = RedirectResponse(local(request.query_params.get("next", "/")), 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, login.secret, max_age=int(logins.LIFETIME), httponly=True, samesite="strict", secure=secure)
    return answer


def enter(desk: AtDesk, client: str, name: str, password: str) -> users.User:
    """Who this is. Raises ProblemError for a wrong password, and for those who have tried too often."""
    keys = (f"{name[:LONGEST_NAME].lower()}@{client}", client)
    wait = desk.attempts.wait(*keys)
    if wait:
        seconds = math.ceil(wait)
        said = f"too many wrong passwords; try again in {seconds} s"
        raise ProblemError(429, said, "back-off", {"Retry-After": str(seconds)})
    found = users.recognise(desk.db, name, password)
    if found is None:
        desk.attempts.failed(*keys)
        audit.note(desk.db, name[:64], client, "login refused")
        raise ProblemError(401, "name or password is wrong", "unauthorized")
    desk.attempts.succeeded(*keys)
    audit.note(desk.db, found.name, client, "login")
    return found


@router.post("/logout")
def log_out(request: Request, desk: AtDesk, visitor: AnyVisitor) -> Response:
    """End the login, here and in the file."""
    logins.end(desk.db, request.cookies.get(COOKIE, ""))
    audit.note(desk.db, visitor.name, client_of(request), "logout")
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(COOKIE)
    return answer


def from_here(request: Request) -> bool:
    """Whether a form was sent from the console's own page, as far as the browser says."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == request.headers.get("Host")


def local(path: str) -> str:
    """A path of the console's, whatever was given: never another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"
