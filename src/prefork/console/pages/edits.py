"""A form that stood open while somebody else saved: what its fields held when it was made comes along, each in a hidden one.

So only what somebody has changed counts, and nobody takes back unseen what another one has changed meanwhile. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.console.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE = "before:"  # in front of a field's name: that of the hidden one


def edited(form: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What somebody wants to be something else, of fields that are `now` so. Raises ProblemError where it is not what they saw."""
    wanted = {name: text for name, text in touched(form, now).items() if text != now[name]}
    if lost := [name for name in wanted if before(form, now, name) != now[name]]:
        said = f"{', '.join(lost)} was changed by somebody else meanwhile; look at it, and save again what you want"
        raise ProblemError(412, said, "precondition-failed", errors={name: f"it is {now[name] or 'empty'} now" for name in lost})
    return wanted


def touched(form: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The fields that somebody has changed since the form was made."""
    typed = {name: form[name].strip() for name in now if name in form}
    return {name: text for name, text in typed.items() if text != before(form, now, name)}


def before(form: Mapping[str, str], now: Mapping[str, str], name: str) -> str:
    """What a field held then; of a form that does not say it, what it is now."""
    return form.get(f"{BEFORE}{name}", now[name])
