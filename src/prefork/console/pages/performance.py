"""Settings → Performance: the form, what a change would mean, saving it, how far it is, and undoing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.console.pages.fields import changed, groups
from prefork.console.pages.monitoring import frame
from prefork.console.pages.visit import Refusal, lead_on
from prefork.console.problems import EXPECTED, ProblemError
from prefork.instances.roles import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from prefork.console.pages.visit import Visit


def form(visit: Visit) -> Response:
    """The settings that it runs with, and how far a change is."""
    number = visit.number("change")
    return shown(visit, change=None if number is None else visit.source.change(visit.identity, number))


def shown(
    visit: Visit,
    considered: Mapping[str, Any] | None = None,
    change: Mapping[str, Any] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """The page; with what somebody has typed in the place of the values in force."""
    settings, etag, changes = visit.source.settings(visit.identity)
    return visit.page(
        "settings.html",
        refusal.status if refusal else 200,
        **frame(visit, "settings"),
        settings=settings,
        etag=visit.form.get("etag", etag) if refusal is None or refusal.status != 412 else etag,
        changes=changes,
        groups=groups(settings["settings"], visit.form, refusal.fields if refusal else {}),
        editable=visit.may(OPERATOR),
        considered=considered,
        change=change,
        refusal=refusal,
    )


def submit(visit: Visit) -> Response:
    """Save, or only say what it would mean."""
    settings, _, _ = visit.source.settings(visit.identity)
    values = changed(settings["settings"], visit.form)
    if visit.form.get("action") == "consider" or not values:
        return shown(visit, considered(visit, values))
    try:
        number = visit.source.save(visit.identity, values, visit.form.get("etag", ""))
    except EXPECTED as error:
        return shown(visit, refusal=Refusal.of(error))
    return lead_on(f"{visit.root}/settings?change={number}")


def meaning(visit: Visit) -> Response:
    """What the values in the form would mean, while they are typed."""
    settings, _, _ = visit.source.settings(visit.identity)
    return visit.page("meaning.html", considered=considered(visit, changed(settings["settings"], visit.form)))


def considered(visit: Visit, values: Mapping[str, str]) -> Mapping[str, Any]:
    """What other values would mean, or why they cannot be."""
    if not values:
        return {"problem": "", "changes": {}}
    try:
        found: Mapping[str, Any] = visit.source.consider(visit.identity, values)
    except EXPECTED as error:
        return {"problem": Refusal.of(error).text}
    return {"problem": "", **found}


def undo(visit: Visit) -> Response:
    """Put back what a change has replaced."""
    number = visit.number("number")
    if number is None:
        raise ProblemError(400, "say which change is to be undone")
    try:
        return lead_on(f"{visit.root}/settings?change={visit.source.undo(visit.identity, number)}")
    except EXPECTED as error:
        return shown(visit, refusal=Refusal.of(error))
