"""Everything the server says about itself: each event once, with its fields, level and wording.

Code emits values (`journal.emit(WorkerReady(...))`), never sentences. The log, the tests and the documentation (`catalogue.py`)
read the same declarations. This room imports no other and writes no log.
"""

from types import ModuleType

from prefork.events import alerts, application, instances, jobs, limits, server, store, traffic, workers
from prefork.events.alerts import *  # noqa: F403 - an event is declared and named once, in its module
from prefork.events.application import *  # noqa: F403
from prefork.events.event import LEVELS as LEVELS
from prefork.events.event import Event as Event
from prefork.events.instances import *  # noqa: F403
from prefork.events.jobs import *  # noqa: F403
from prefork.events.limits import *  # noqa: F403
from prefork.events.server import *  # noqa: F403
from prefork.events.store import *  # noqa: F403
from prefork.events.traffic import *  # noqa: F403
from prefork.events.workers import *  # noqa: F403

ROOMS: tuple[ModuleType, ...] = (
    server,
    application,
    workers,
    jobs,
    store,
    limits,
    traffic,
    alerts,
    instances,
)  # in the order of docs/events.md


def declared(room: ModuleType) -> tuple[type[Event], ...]:
    """The events of a module, in its order."""
    return tuple(each for each in vars(room).values() if isinstance(each, type) and issubclass(each, Event) and each is not Event)


CATALOGUE: tuple[type[Event], ...] = tuple(each for room in ROOMS for each in declared(room))
