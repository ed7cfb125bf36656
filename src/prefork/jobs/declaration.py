"""What an application declares: `@prefork.job`, and what `prefork.cron` adds to it. `registry` has them all by name.

Declaring needs no database, and a `Job` is called like the function that it is. Only `defer` and `progress` reach the store.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, overload

from prefork.jobs.arguments import keepable

if TYPE_CHECKING:
    from datetime import datetime

RESERVED = ("at", "priority", "connection")
registry: dict[str, Job] = {}


class Plan(NamedTuple):
    """How a job's row begins: its schedule (None where it only runs when deferred), and how its runs are treated."""

    schedule: str | None = None
    tz: str = "UTC"
    misfire: str = "once"
    priority: int = 5
    retries: int = 3


class Job:
    """A function that workers for jobs can run. `report` is set while one does, to hear of its progress."""

    def __init__(self, function: Callable[..., Any], name: str, plan: Plan) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.plan = plan
        self.report: Callable[[int, int], None] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function here and now."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name}>"

    def defer(
        self, *args: Any, at: datetime | None = None, priority: int | None = None, connection: Any = None, **kwargs: Any
    ) -> int:
        """Have a worker run it, at once or not before `at` (aware). Returns the run's number.

        With a `connection` of psycopg 3 to the store's database it is part of that one's transaction. Raises TypeError and
        ValueError for arguments that are not JSON, ValueError for a time without a zone, `prefork.store.connection.Unavailable`.
        """
        from prefork.store import jobs
        from prefork.store.connection import shared

        if at is not None and at.tzinfo is None:
            raise ValueError(f"at={at} has no time zone; write datetime.now(timezone.utc) + …, or give it one")
        inspect.signature(self.function).bind(*args, **kwargs)
        arguments = {"args": args, "kwargs": kwargs}
        keepable(arguments)
        if connection is not None:
            return jobs.defer(connection, self.name, arguments, at, priority, self.plan.priority)
        with shared.use() as ours:
            return jobs.defer(ours, self.name, arguments, at, priority, self.plan.priority)

    def progress(self, done: int, remaining: int) -> None:
        """Say how far the run has come that is being done in this process; elsewhere it is nobody's business."""
        if self.report is not None:
            self.report(done, remaining)


def declare(function: Callable[..., Any], name: str | None, plan: Plan) -> Job:
    """Make a job of a function. Raises TypeError, ValueError with a sentence."""
    if isinstance(function, Job):
        raise TypeError(f"{function.name} is a job already; use one decorator")
    taken = [word for word in RESERVED if word in inspect.signature(function).parameters]
    if taken:
        raise TypeError(f"{place(function)} has a parameter named {taken[0]}, which is one of defer(); rename it")
    made = Job(function, name or place(function), plan)
    earlier = registry.get(made.name)
    if earlier is not None and place(earlier.function) != place(function):
        raise ValueError(f"two jobs are named {made.name}; give one of them another name")
    registry[made.name] = made
    return made


def place(function: Callable[..., Any]) -> str:
    """Where a function is written: its module and its name in there."""
    return f"{function.__module__}.{function.__qualname__}"


@overload
def job(function: Callable[..., Any]) -> Job: ...
@overload
def job(*, name: str | None = None, priority: int = 5, retries: int = 3) -> Callable[[Callable[..., Any]], Job]: ...
def job(
    function: Callable[..., Any] | None = None, *, name: str | None = None, priority: int = 5, retries: int = 3
) -> Job | Callable[[Callable[..., Any]], Job]:
    """Make a job of a function, which runs when it is deferred. The smallest priority comes first."""
    plan = Plan(priority=priority, retries=retries)
    if function is not None:
        return declare(function, name, plan)
    return lambda function: declare(function, name, plan)
