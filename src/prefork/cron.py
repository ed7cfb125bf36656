"""Jobs that recur: `@prefork.cron.every("10 minutes")`, `@prefork.cron.schedule("30 3 * * 1-5", tz="Europe/Berlin")`.

The decorated function is a `Job`: it can still be called, and deferred. What is written here is where its row begins; an operator
may edit that.
"""

from __future__ import annotations

from typing import Any, Callable

from prefork.jobs import schedules
from prefork.jobs.declaration import Job, Plan, declare


def every(
    interval: str, *, name: str | None = None, misfire: str = "once", priority: int = 5, retries: int = 3
) -> Callable[[Callable[..., Any]], Job]:
    """Run the function at this interval, such as `"10 minutes"`, from the first start of the server on. Raises ValueError."""
    return _recurring(f"every {interval}", "UTC", name, misfire, priority, retries)


def schedule(
    expression: str, *, tz: str = "UTC", name: str | None = None, misfire: str = "once", priority: int = 5, retries: int = 3
) -> Callable[[Callable[..., Any]], Job]:
    """Run the function when a cron expression says, in the time zone `tz`. Raises ValueError."""
    return _recurring(expression, tz, name, misfire, priority, retries)


def _recurring(text: str, tz: str, name: str | None, misfire: str, priority: int, retries: int) -> Callable[..., Job]:
    schedules.parse(text, tz)
    schedules.check_misfire(misfire)
    return lambda function: declare(function, name, Plan(text, tz, misfire, priority, retries))
