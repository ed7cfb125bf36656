"""Settings → Performance: the form, what a change would mean, saving it, how far it is, and undoing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.console.pages.source import Refused
from prefork.console.pages.fields import given, groups
from prefork.console.pages.monitoring import frame
from prefork.console.pages.visit import seen_next

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.responses import Response

    from prefork.console.pages.visit import Visit


def form(visit: Visit) -> Response:
    """The settings that it runs with, and how far a change is."""
    number = visit.number("change")
    change = visit.source.change(visit.identity, number) if number is not None else None
    return shown(visit, change=change)


def shown(
    visit: Visit,
    values: Mapping[str, str] | None = None,
    considered: Mapping[str, Any] | None = None,
    change: Mapping[str, Any] | None = None,
    refusal: Refused | None = None,
) -> Response:
    """The page; with `values` that somebody has typed in the place of those in force."""
    settings = visit.source.settings(visit.identity)
    problems = refusal.problems if refusal else {}
    return visit.page(
        "settings.html",
        refusal.status if refusal else 200,
        **frame(visit, "settings"),
        settings=settings,
        groups=groups(values if values is not None else settings["values"], settings["most"], problems),
        editable=visit.visitor.may("administrator", visit.identity),
        considered=considered,
        change=change,
        refusal=refusal,
    )


def submit(visit: Visit) -> Response:
    """Save, or only say what it would mean."""
    values = given(visit.form)
    try:
        if visit.form.get("action") == "consider":
            return shown(visit, values, visit.source.consider(visit.identity, values))
        number = visit.source.save(visit.identity, values, visit.form.get("etag", ""))
    except Refused as refused:
        if refused.status not in {409, 412, 422}:
            raise
        return shown(visit, values, refusal=refused)
    return seen_next(f"{visit.root}/settings?change={number}")


def meaning(visit: Visit) -> Response:
    """What the values in the form would mean, while they are typed."""
    try:
        considered = visit.source.consider(visit.identity, given(visit.form))
    except Refused as refused:
        considered = {"problem": str(refused)}
    return visit.page("meaning.html", considered=considered)


def undo(visit: Visit) -> Response:
    """Put back what a change has replaced."""
    number = visit.number("number")
    if number is None:
        raise Refused(400, "Not understood", "Say which change is to be undone.")
    try:
        return seen_next(f"{visit.root}/settings?change={visit.source.undo(visit.identity, number)}")
    except Refused as refused:
        if refused.status not in {409, 422}:
            raise
        return shown(visit, refusal=refused)
