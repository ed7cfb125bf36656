"""For administrators: who may use the console, in which role and for which instances; and who has done what.

A new password is made here and stands in one answer, like a new token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.console.pages.edits import edited, touched
from prefork.console.pages.visit import Refusal, lead_on
from prefork.console.problems import EXPECTED
from prefork.instances.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.responses import Response

    from prefork.console.pages.visit import Visit

NONE = "none"
CHOICES = (NONE, *ROLES)
GRANT = "grant:"  # before an instance's id: the name of its field
DONE = {"removed": "They may use this console no longer.", "saved": "Saved. It counts from their next request."}


def listing(visit: Visit) -> Response:
    """Everybody."""
    return everybody(visit)


def everybody(visit: Visit, name: str = "", secret: str = "", refusal: Refusal | None = None) -> Response:
    """The page, with what has just been made or refused."""
    status = refusal.status if refusal else 200
    users, said = visit.source.users.listed(), DONE.get(visit.asked("done"), "")
    return visit.page("people.html", status, users=users, roles=CHOICES, said=said, name=name, secret=secret, refusal=refusal)


def add(visit: Visit) -> Response:
    """Somebody more."""
    name = visit.form.get("name", "").strip()
    try:
        secret = visit.source.users.add(name, visit.form.get("role", ""))
    except EXPECTED as error:
        return everybody(visit, name, refusal=Refusal.of(error))
    return everybody(visit, name, secret)


def person(visit: Visit) -> Response:
    """One of them."""
    return one(visit)


def one(visit: Visit, secret: str = "", refusal: Refusal | None = None) -> Response:
    """Their page, with what has just been made or refused."""
    user, instances = visit.source.users.find(number(visit)), visit.source.instances()
    status, said = refusal.status if refusal else 200, DONE.get(visit.asked("done"), "")
    before = roles(user, [each["id"] for each in instances])
    shown = {"user": user, "instances": instances, "roles": CHOICES, "field": GRANT}
    shown |= {"before": before, "chosen": before | touched(visit.form, before)}
    return visit.page("person.html", status, **shown, said=said, secret=secret, refusal=refusal)


def change(visit: Visit) -> Response:
    """Another role, other grants."""
    user = visit.source.users.find(number(visit))
    meant = [field.removeprefix(GRANT) for field in visit.form if field.startswith(GRANT)]
    try:
        changed = edited(visit.form, roles(user, meant))
        role = changed.pop("role", user["role"])
        grants = user["grants"] | {field.removeprefix(GRANT): text for field, text in changed.items()}
        visit.source.users.change(number(visit), role, {each: text for each, text in grants.items() if text != NONE})
    except EXPECTED as error:
        return one(visit, refusal=Refusal.of(error))
    return lead_on(f"/people/{number(visit)}?done=saved")


def roles(user: Mapping[str, Any], instances: Iterable[str]) -> dict[str, str]:
    """Somebody's roles as their form has them: for all instances, and for each of some."""
    return {"role": user["role"], **{GRANT + each: user["grants"].get(each, NONE) for each in instances}}


def renew(visit: Visit) -> Response:
    """Another password."""
    return one(visit, visit.source.users.renew(number(visit)))


def remove(visit: Visit) -> Response:
    """One less."""
    try:
        visit.source.users.remove(number(visit))
    except EXPECTED as error:
        return one(visit, refusal=Refusal.of(error))
    return lead_on("/people?done=removed")


def audit(visit: Visit) -> Response:
    """What was done, the latest first."""
    entries, older = visit.source.users.audit(visit.number("before"))
    return visit.page("audit.html", entries=entries, older=older)


def number(visit: Visit) -> int:
    """Who is meant; nobody has the number 0."""
    text = str(visit.request.path_params["number"])
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
