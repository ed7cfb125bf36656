"""What a change of settings would mean: memory, the database's connections, and what requests would wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork import config
from prefork.config import OPTIONS
from prefork.console.models import Meaning, Prediction, Waiting
from prefork.instances.changes import option_at
from prefork.instances.local import Denied, Local, Unreachable
from prefork.sizing.database import Database
from prefork.sizing.prediction import Wanted, obstacle, predict
from prefork.sizing.traffic import Unreadable, traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.config import Settings
    from prefork.instances.changes import Intent
    from prefork.sizing.simulate import Outcome
    from prefork.sizing.traffic import Traffic


def meaning(server: Local, intent: Intent, database: Mapping[str, Any] | None) -> Meaning:
    """What a change would mean; `database` is what is known of the connections there, as `store.census` tells it."""
    after, machine = intent.after, config.read_machine()
    large = (after.most_workers if after.http_enable else 0) + after.cron_processes
    processes = large + after.websocket_workers
    allowed, allows = connections(after, database)
    found, unknown = heard(server)
    return Meaning(
        changes={name: (value(intent.before, name), value(after, name)) for name in intent.new},
        processes=processes,
        memory_needed=large * after.limit_memory_soft,
        memory_likely=large * found.each if found and found.each else None,
        memory_total=machine.memory,
        connections_each=after.connections_each,
        connections_needed=processes * after.connections_each,
        connections_allowed=allowed,
        connections_of=allows,
        wait=None if found is None or unknown else predicted(found, after),
        wait_unknown=unknown,
        warnings=[f"{option_at(problem.place)}: {problem.sentence}" for problem in config.warnings(after, machine)],
    )


def value(settings: Settings, name: str) -> str:
    """What a setting is: an option of ours, or of the application's in the same file."""
    return settings.shown(name) if name in OPTIONS else settings.host_options.get(name, "not set")


def connections(settings: Settings, database: Mapping[str, Any] | None) -> tuple[int, str]:
    """How many connections there may be, and what says so: the option, the database, or what PostgreSQL usually has."""
    if settings.database_connections is not None:
        return settings.database_connections, "database_connections"
    if database and "most" in database:
        return Database(database["most"]).open, "max_connections of the database"
    return Database().open, "what PostgreSQL usually allows"


def heard(server: Local) -> tuple[Traffic | None, str]:
    """The server's last requests, and why nothing follows from them: empty where something does."""
    try:
        found = traffic(server.ask("trace"))
    except (Unreachable, Denied, Unreadable) as error:
        return None, str(error)
    return found, obstacle(found)


def predicted(found: Traffic, after: Settings) -> Prediction:
    """The wait, before and after."""
    bounds = (after.fewest_workers, after.most_workers)
    made = predict(found, Wanted(*bounds, after.wait_target, after.queue_size, after.queue_timeout))
    return Prediction(requests=made.requests, seconds=made.seconds, now=told(made.now), then=told(made.then))


def told(outcome: Outcome) -> Waiting:
    """One number of workers, in the API's words."""
    waits = {name: outcome.wait(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return Waiting(workers=outcome.workers, busy=round(100 * outcome.busy, 1), lost=outcome.lost, **waits)
