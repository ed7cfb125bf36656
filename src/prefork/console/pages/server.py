"""Instances that the console runs: making one with what it will get said beforehand, and one's start, stop, upgrade and end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prefork.config.quantities import size_words
from prefork.console.access import require
from prefork.console.pages.edits import edited, touched
from prefork.console.pages.fields import Field
from prefork.console.pages.monitoring import frame
from prefork.console.pages.visit import Refusal, lead_on
from prefork.console.problems import EXPECTED, ProblemError
from prefork.instances.roles import ADMINISTRATOR, OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from prefork.console.pages.visit import Visit

# The fields by their headings: label, hint.
NAMES = {
    "name": ("Name", "What people call it."),
    "id": ("Id", "Small letters, digits and hyphens. It names its directory and stays as it is."),
}
APPLICATION = {
    "app": ("Application", "module:attribute, of WSGI or ASGI."),
    "app_dir": ("Its directory", "Where it is imported from."),
    "odoo": ("Or Odoo's directory", "The one that holds odoo-bin, in the place of both."),
    "python": ("Its interpreter", "That of its environment. Empty means the console's own."),
}
RESOURCES = {
    "memory": ("Memory", "Such as 2G. Empty: what comes with the plan, or all that is free."),
    "workers": ("HTTP workers", "Empty: what these resources carry."),
}
SITE = {
    "domain": ("Domain", "nginx serves it under this name. Empty: it is reached by its port alone."),
    "certificate": ("Certificate", "With those above it, in PEM."),
    "certificate_key": ("Its key", ""),
}
PLAN, OPTIONS = "plan", "options"  # a choice, and lines
FRESH = 60.0  # seconds for which it is said that something is done
UNNAMED = "instance"  # while nobody has typed an id
MEMBERS = (*APPLICATION, *RESOURCES, *SITE)


def new(visit: Visit) -> Response:
    """The form for a new one."""
    return form(visit)


def form(visit: Visit, considered: Mapping[str, Any] | None = None, refusal: Refusal | None = None) -> Response:
    """The same, with what somebody has typed and what that would get."""
    means = means_of(visit)
    headings = {"Instance": NAMES, "Application": APPLICATION, "Resources": RESOURCES}
    return visit.page(
        "new.html",
        refusal.status if refusal else 200,
        section="instances",
        means=means,
        groups=groups({**headings, "Site": SITE} if means["sites"] else headings, visit.form, refusal),
        plan=visit.form.get(PLAN, "base"),
        options=visit.form.get(OPTIONS, ""),
        considered=considered,
        refusal=refusal,
    )


def means_of(visit: Visit) -> Mapping[str, Any]:
    """What new ones can get, for who may make them. Raises ProblemError."""
    require(visit.visitor, ADMINISTRATOR)
    means: Mapping[str, Any] | None = visit.source.provisions.means()
    if means is None:
        raise ProblemError(
            409, "this console belongs to a server and runs no other ones; `prefork console` by itself does", "conflict"
        )
    return means


def make(visit: Visit) -> Response:
    """Make it, or only say what it would get."""
    means_of(visit)
    if visit.form.get("action") == "consider":
        return form(visit, considered(visit))
    identity = visit.form.get("id", "").strip()
    try:
        visit.source.provisions.make(identity, visit.form.get("name", "").strip(), run_in(visit.form))
    except EXPECTED as error:
        return form(visit, refusal=Refusal.of(error))
    return lead_on(f"/instances/{identity}/server")


def prospect(visit: Visit) -> Response:
    """What the values in the form would get, while they are typed."""
    means_of(visit)
    return visit.page("prospect.html", considered=considered(visit))


def considered(visit: Visit) -> Mapping[str, Any]:
    """What it would get, or why it cannot be."""
    try:
        identity, name = (visit.form.get(name, "").strip() or UNNAMED for name in ("id", "name"))
        found: Mapping[str, Any] = visit.source.provisions.prospect(identity, name, run_in(visit.form))
    except EXPECTED as error:
        return {"problem": Refusal.of(error).text}
    return {"problem": "", **found}


def groups(
    headings: Mapping[str, Mapping[str, tuple[str, str]]], values: Mapping[str, Any], refusal: Refusal | None
) -> dict[str, list[Field]]:
    """Fields with their values, by the heading above them."""
    wrong = refusal.fields if refusal else {}
    return {
        heading: [
            Field(name, label, str(values.get(name) or ""), hint, False, None, "", wrong.get(name, ""))
            for name, (label, hint) in names.items()
        ]
        for heading, names in headings.items()
    }


def run_in(sent: Mapping[str, str]) -> dict[str, Any]:
    """What a form says that it shall run. Raises ProblemError."""
    found: dict[str, Any] = {name: text for name in (*MEMBERS, PLAN) if (text := sent.get(name, "").strip())}
    options = {}
    for line in sent.get(OPTIONS, "").splitlines():
        name, sign, text = line.partition("=")
        if line.strip() and not sign:
            raise ProblemError(422, f"options: {line.strip()} is no option; write one a line, name = value", "invalid-settings")
        if line.strip():
            options[name.strip()] = text.strip()
    return {**found, "options": options} if options else found


# One that there is.


def server(visit: Visit) -> Response:
    """What it has, what is being done with it, and what can be."""
    return shown(visit)


def shown(visit: Visit, error: Exception | None = None) -> Response:
    """The page, with what was refused. Raises that where there is none."""
    found = visit.source.provisions.find(visit.identity)
    if found is None:
        raise error or ProblemError(404, f"this console does not run {visit.identity}; what has started it, stops it")
    refusal = Refusal.of(error) if error else None
    means = visit.source.provisions.means() or {"plans": [], "sites": False}
    headings = {"Application": APPLICATION, "Resources": RESOURCES}
    before = texts(found["run"])
    values = before | touched(visit.form, before)
    return visit.page(
        "server.html",
        refusal.status if refusal else 200,
        **frame(visit, "server"),
        provision=found,
        fresh=time.time() - (found["work"]["ended_at"] or 0) < FRESH if found["work"] else False,
        means=means,
        groups=groups({**headings, "Site": SITE} if means["sites"] else headings, values, refusal),
        plan=values[PLAN],
        before=before,
        steerable=visit.may(OPERATOR),
        ruling=visit.may(ADMINISTRATOR),
        refusal=refusal,
    )


def texts(run: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the fields of one that there is."""
    found = {name: str(run[name]) if run[name] else "" for name in (*MEMBERS, PLAN)}
    return {**found, "memory": size_words(run["memory"]) if run["memory"] else ""}


def steer(visit: Visit) -> Response:
    """Start, stop or restart it."""
    action = visit.form.get("action", "")
    if action not in {"start", "stop", "restart"}:
        raise ProblemError(400, "an instance can be started, stopped and restarted")
    return followed(visit, lambda: visit.source.provisions.steer(visit.identity, action))


def upgrade(visit: Visit) -> Response:
    """Have it be what the form says; a field that nobody has touched stays as it is."""
    require(visit.visitor, ADMINISTRATOR, visit.identity)
    found = visit.source.provisions.find(visit.identity)
    had = texts(found["run"]) if found else {}

    def act() -> None:
        changes = {name: text or None for name, text in edited(visit.form, had).items()}
        visit.source.provisions.upgrade(visit.identity, changes)

    return followed(visit, act)


def delete(visit: Visit) -> Response:
    """Remove it."""
    try:
        visit.source.provisions.delete(visit.identity, data=visit.form.get("data") == "yes")
    except EXPECTED as error:
        return shown(visit, error)
    return lead_on("/instances")


def followed(visit: Visit, act: Callable[[], None]) -> Response:
    """Do something, and show how far it is; or why it is not done."""
    try:
        act()
    except EXPECTED as error:
        return shown(visit, error)
    return lead_on(f"{visit.root}/server")
