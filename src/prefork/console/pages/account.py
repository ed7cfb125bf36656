"""Where a visitor begins, what belongs to them, and the alerts of all that they may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.console.pages.visit import Refusal, lead_on
from prefork.console.problems import EXPECTED
from prefork.instances.roles import METRICS, ROLES

if TYPE_CHECKING:
    from starlette.responses import Response

    from prefork.console.pages.visit import Visit

REVOKED = "The token is valid no longer, nor is what was made with it."


def home(visit: Visit) -> Response:
    """Straight to the only instance, where there is one."""
    rows = visit.source.instances()
    return lead_on(f"/instances/{rows[0]['id']}" if len(rows) == 1 else "/instances")


def account(visit: Visit) -> Response:
    """What belongs to the visitor."""
    return mine(visit, said=REVOKED if visit.asked("done") else "")


def mine(visit: Visit, said: str = "", secret: str = "", refusal: Refusal | None = None) -> Response:
    """The page, with what has just been done or refused."""
    status = refusal.status if refusal else 200
    tokens = visit.source.tokens()
    names = {each["id"]: each["name"] for each in tokens}
    shown = {"tokens": tokens, "names": names, "scopes": (METRICS, *ROLES)}
    return visit.page("account.html", status, **shown, said=said, secret=secret, refusal=refusal)


def make_token(visit: Visit) -> Response:
    """A token more. It is in this answer and nowhere else, so there is nothing to lead on to."""
    try:
        secret = visit.source.make_token(visit.form.get("name", "").strip(), visit.form.get("scope", ""), visit.number("days"))
    except EXPECTED as error:
        return mine(visit, refusal=Refusal.of(error))
    return mine(visit, secret=secret)


def revoke_token(visit: Visit) -> Response:
    """One less."""
    visit.source.revoke_token(visit.number("number") or 0)
    return lead_on("/account?done=revoked")


def change_password(visit: Visit) -> Response:
    """Another password. Every login has ended with it, so it leads to a new one."""
    try:
        visit.source.change_password(visit.form.get("old", ""), visit.form.get("new", ""))
    except EXPECTED as error:
        return mine(visit, refusal=Refusal.of(error))
    return lead_on("/login")


def alerts(visit: Visit) -> Response:
    """What is wrong, what was, and by which rules."""
    return visit.page("alerts.html", alerts=visit.source.alerts())
