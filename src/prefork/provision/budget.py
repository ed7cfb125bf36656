"""What a change of an instance's settings takes of the machine and of the database: no more than its plan has, and than is free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prefork.config.reader import OPTIONS as SECTION
from prefork.config.reader import read_file
from prefork.instances import provisions
from prefork.instances.changes import BeyondPlan, Conflict, Invalid
from prefork.provision.holding import after, held, wished
from prefork.provision.offer import judged
from prefork.sizing.database import LEAST
from prefork.sizing.machine import gigabytes
from prefork.sizing.plans import RESOURCES
from prefork.sizing.size import WEBSOCKET

if TYPE_CHECKING:
    from prefork.instances.changes import Intent
    from prefork.provision.grant import Free, Grant
    from prefork.provision.premises import Premises
    from prefork.provision.wish import Wish

BLAMED = ("workers", "workers_max", "max_cron_threads", "limit_memory_hard", "plan")  # what takes memory: the first that changes


def afforded(premises: Premises, identity: str, intent: Intent) -> Intent:
    """A change of settings with what follows from it for the database; of an instance that others run, as it is.

    Raises Invalid, BeyondPlan where it takes too much, Conflict where something is being done with the instance.
    """
    provision = provisions.find(premises.db, identity)
    if provision is None:
        return intent
    if provisions.busy(premises.db, identity):
        raise Conflict(f"something is being done with {identity}; wait for its end")
    place = premises.place(identity)
    had, free = held(provision, place), premises.free(besides=identity)
    if not intent.after.limit_memory_hard and intent.before.limit_memory_hard:
        raise Invalid({"limit_memory_hard": "0 means no limit; this instance has a part of the machine, so give each worker one"})
    new = after(had, intent.after)
    if new.memory > had.memory:
        check_memory(intent, new, wished(provision, place), free)
    texts = connections(intent, had, new, free)
    if not texts:
        return intent
    written = {entry.key: entry.text for entry in read_file(intent.file, str(intent.file)).entries if entry.section == SECTION}
    settings = judged(place, intent.file.read_bytes(), {**intent.texts(), **texts})[1]
    return intent._replace(
        old={**intent.old, **{name: written.get(name) for name in texts}}, new={**intent.new, **texts}, after=settings
    )


def check_memory(intent: Intent, new: Grant, wish: Wish, free: Free) -> None:
    """Raises BeyondPlan, Invalid for more memory than an instance may have."""
    plan = intent.after.plan
    member = next((name for name in BLAMED if name in intent.new), "limit_memory_hard")
    needed = f"{new.workers} workers for requests and {new.cron} for jobs may take {gigabytes(new.memory)}"
    comes = RESOURCES[plan] if plan else None
    if comes and new.memory > comes.memory:
        raise BeyondPlan({member: f"{needed}; the plan {plan} comes with {gigabytes(comes.memory)}"})
    if wish.memory and new.memory > wish.memory:
        raise Invalid({member: f"{needed}; {gigabytes(wish.memory)} were given to it, and an upgrade can give it more"})
    if new.memory > free.memory:
        left = f"{gigabytes(free.memory)} of the machine's {gigabytes(free.machine.memory)} are free for it"
        raise Invalid({member: f"{needed}; {left}"})


def connections(intent: Intent, had: Grant, new: Grant, free: Free) -> dict[str, str]:
    """What the file has to say of the database besides, so that all processes together stay within a part of it. Raises Invalid."""
    processes, asked = new.workers + new.cron + WEBSOCKET, "database_connections" in intent.new
    wanted = new.connections if asked else max(had.connections, LEAST * processes)
    if wanted > max(had.connections, free.connections):
        said = f"{processes} processes need {wanted} connections to the database, and {free.connections} are free for it"
        raise Invalid({"database_connections" if asked else "workers": said})
    if (had.workers + had.cron, had.connections) == (new.workers + new.cron, wanted):
        return {}
    share = {} if asked or wanted == had.connections else {"database_connections": str(wanted)}
    return {**share, "db_maxconn": str(replace(new, connections=wanted).each)}
