"""The way in and out, what belongs to the visitor, and the alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi.concurrency import run_in_threadpool

from prefork.console.pages.source import Refused
from prefork.console.pages.paper import page
from prefork.console.pages.visit import read, seen_next

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

    from prefork.console.pages.visit import Reception, Visit

SCOPES = ("metrics", "viewer", "operator", "administrator")
DONE = {
    "password": "Your password is another one now, and your other sessions have ended.",
    "revoked": "The token is valid no longer.",
}


async def login(request: Request) -> Response:
    """The way in."""
    onward = local(request.query_params.get("next", ""))
    return page("login.html", None, name="", problem="", next=onward)


async def log_in(request: Request) -> Response:
    """Somebody with a name and a password."""
    reception: Reception = request.app.state.reception
    fields: dict[str, str] = {}
    try:
        fields = await read(request)
        # Another site could log its visitors in here as somebody else.
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise Refused(403, "Refused", "The form was sent by another site.")
        give = await run_in_threadpool(reception.log_in, request, fields.get("name", ""), fields.get("password", ""))
    except Refused as refused:
        onward = local(fields.get("next", ""))
        return page("login.html", None, refused.status, name=fields.get("name", ""), problem=str(refused), next=onward)
    answer = seen_next(local(fields.get("next", "")) or "/instances")
    give(answer)
    return answer


def local(address: str) -> str:
    """An address of ours, or none: a login leads nowhere else."""
    parts = urlsplit(address)
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and not parts.netloc and not parts.scheme else ""


def log_out(visit: Visit) -> Response:
    """The way out."""
    reception: Reception = visit.request.app.state.reception
    answer = seen_next("/login")
    reception.log_out(visit.request)(answer)
    return answer


def home(visit: Visit) -> Response:
    """Straight to the only instance, where there is one."""
    rows = visit.source.instances()
    return seen_next(f"/instances/{rows[0]['id']}" if len(rows) == 1 else "/instances")


def account(visit: Visit) -> Response:
    """What belongs to the visitor."""
    return mine(visit, said=DONE.get(visit.asked("done"), ""))


def mine(visit: Visit, said: str = "", secret: str = "", refusal: Refused | None = None) -> Response:
    """The page, with what has just been done or refused."""
    scopes = [scope for scope in SCOPES if scope == "metrics" or visit.visitor.may(scope)]
    status = refusal.status if refusal else 200
    tokens = visit.source.tokens()
    return visit.page("account.html", status, tokens=tokens, scopes=scopes, said=said, secret=secret, refusal=refusal)


def make_token(visit: Visit) -> Response:
    """A token more. It is in this answer and nowhere else, so there is nothing to lead on to."""
    try:
        secret = visit.source.make_token(visit.form.get("name", "").strip(), visit.form.get("scope", ""), visit.number("days"))
    except Refused as refused:
        return mine(visit, refusal=refused)
    return mine(visit, secret=secret)


def revoke_token(visit: Visit) -> Response:
    """One less."""
    visit.source.revoke_token(visit.number("number") or 0)
    return seen_next("/account?done=revoked")


def change_password(visit: Visit) -> Response:
    """Another password."""
    try:
        visit.source.change_password(visit.form.get("old", ""), visit.form.get("new", ""))
    except Refused as refused:
        return mine(visit, refusal=refused)
    return seen_next("/account?done=password")


def alerts(visit: Visit) -> Response:
    """What is wrong, what was, and by which rules."""
    return visit.page("alerts.html", alerts=visit.source.alerts())
