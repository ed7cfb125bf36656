"""What an instance has by its own file, whoever has changed that: what Settings save counts as what it was given when it was made.

So nothing has to be kept in two places, and what one instance takes is never offered to another one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prefork.config import ConfigurationError, Origin
from prefork.instances.local import Reading
from prefork.provision.grant import kept
from prefork.provision.wish import Wish

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.instances.provisions import Provision
    from prefork.provision.files import Place
    from prefork.provision.grant import Grant


def settings_at(place: Place) -> Settings:
    """Those in an instance's file. Raises ConfigurationError."""
    return Reading(Origin(place.configuration, {}, place.directory), {}).settings()


def held(provision: Provision, place: Place) -> Grant:
    """What an instance has; where its file cannot be read, what it was given."""
    given = kept(provision.given)
    try:
        return after(given, settings_at(place))
    except ConfigurationError:
        return given


def after(given: Grant, settings: Settings) -> Grant:
    """What an instance has with these settings. Without a hard limit nobody knows its memory: then it is what was given."""
    workers, cron, hard = settings.most_workers, settings.max_cron_threads, settings.limit_memory_hard
    return replace(
        given,
        workers=workers,
        cron=cron,
        soft=settings.limit_memory_soft,
        hard=hard,
        time_cpu=int(settings.limit_time_cpu),
        time_real=int(settings.limit_time_real),
        memory=(workers + cron) * hard if hard else given.memory,
        connections=settings.database_connections or given.connections,
    )


def wished(provision: Provision, place: Place) -> Wish:
    """What was wished of an instance, with the plan that it has now."""
    wish = Wish(**provision.wish)
    try:
        return replace(wish, plan=settings_at(place).plan)
    except ConfigurationError:
        return wish
