"""Whether lanes leave workers to what none of them fits: contradictions and doubts, as those in `checks.py`.

Workers with an event loop serve several requests at once. What kind they are is known for certain when the application has been
imported; master and rehearsal ask again then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.config.machine import Machine
    from prefork.config.settings import Settings

UNLESS_LOOPED = "unless the application is of ASGI, "


def crowded(settings: Settings) -> Iterator[str]:
    """What no lane fits needs a worker too."""
    said = [overbooked(settings, looped=looped) for looped in kinds_of_workers(settings)]
    if all(said):
        yield said[0]


def crowded_perhaps(settings: Settings, _machine: Machine) -> Iterator[str]:
    """What holds for one kind of application only is said again when it has been imported."""
    said = [overbooked(settings, looped=looped) for looped in kinds_of_workers(settings)]
    if any(said) and not all(said):
        yield f"{UNLESS_LOOPED}`prefork serve` will not start: {said[0]}"


def overbooked(settings: Settings, *, looped: bool) -> str:
    """Why lanes leave nothing to what none of them fits; empty where they do. `looped`: HTTP workers have an event loop."""
    reserved, places = sum(lane.reserved for lane in settings.lanes), served_at_once(settings, looped=looped)
    if reserved < places:
        return ""
    given = f"{places} {'places' if looped else 'threads' if settings.threaded else 'workers'} ({settings.source('workers')})"
    return f"the lanes reserve {reserved} of {given}; leave at least one for the rest, or raise workers"


def loose(settings: Settings, _machine: Machine) -> Iterator[str]:
    """A limit is there to leave a worker to others, and one that is reserved is not for all of them."""
    looped, *others = kinds_of_workers(settings)
    places = served_at_once(settings, looped=looped)
    if places < 2:
        return
    reserved = sum(lane.reserved for lane in settings.lanes)
    for lane in settings.lanes:
        most = places - 1 - (reserved - lane.reserved)
        if lane.limit is not None and lane.limit > most:
            advice = f"set it to {most} or less, or raise workers" if most else "raise workers"
            where = f"{UNLESS_LOOPED if others else ''}lane {lane.name}"
            kind = "places" if looped else "workers"
            yield f"{where}: a limit of {lane.limit} leaves none of the {places} {kind} to the rest; {advice}"


def kinds_of_workers(settings: Settings) -> tuple[bool, ...]:
    """Whether HTTP workers have an event loop: both may be until the application has been imported."""
    if settings.interface == "auto" and not settings.odoo:
        return False, True
    return (settings.interface == "asgi",)


def served_at_once(settings: Settings, *, looped: bool) -> int:
    """How many requests the fewest HTTP workers serve at once, with event loops or without."""
    if looped:
        return max(1, settings.fewest_workers) * settings.at_a_time
    return settings.threads if settings.threaded else max(1, settings.fewest_workers)
