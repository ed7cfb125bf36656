"""What would make a route's requests take less time of workers, judged by what they have cost. Pure.

The advice is that of the guide to the performance of applications: operations on many records at once, aggregation in the database,
indexes, little computing, and what nobody needs to wait for as a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_TIPS = 2  # for one route
FEW = 5  # routes that are worth reading about
MOST_OF_IT = 0.8  # of the workers' time: what is beyond is not worth reading about
MANY_QUERIES = 30  # in one request
MUCH_SQL, MUCH_CPU, LITTLE_CPU = 0.5, 0.6, 0.25  # of a request's time
LONG = 5.0  # seconds that nobody likes to wait for
MUCH_GROWTH = 1 << 20  # bytes a request
ENOUGH = 20  # requests, before their average says anything
READING = frozenset(("GET", "HEAD", "OPTIONS"))
OTHER = "(other)"


def judged(routes: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each with its `share` of all time, and `tips` for the few that count. The order is that of the time they took."""
    whole = sum(route["seconds"] for route in routes)
    found, passed = [], 0.0
    for number, route in enumerate(routes):
        share = route["seconds"] / whole if whole else 0.0
        counts = number < FEW and passed < MOST_OF_IT and route["path"] != OTHER
        found.append({**route, "share": share, "tips": list(tips(route))[:MOST_TIPS] if counts else []})
        passed += share
    return found


def tips(route: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about one route, the most promising one first."""
    requests, seconds = route["requests"], route["seconds"]
    if requests < ENOUGH or not seconds:
        return
    queries, sql, cpu, growth = (
        route["queries"] / requests,
        route["sql"] / seconds,
        route["cpu"] / seconds,
        route["growth"] / requests,
    )
    if queries >= MANY_QUERIES and route["method"] in READING:
        yield f"aggregate in SQL: {queries:.0f} queries a request load records for what one (read_group) would tell"
    elif queries >= MANY_QUERIES:
        yield f"batch operations: {queries:.0f} queries a request; write on whole recordsets instead of one record after the other"
    if sql >= MUCH_SQL:
        yield f"index what it searches and sorts by, and archive old records: {sql * 100:.0f} % of its time is the database's"
    if (route["service"]["p95"] or 0.0) >= LONG:
        yield "move it to a job and answer at once: who waits holds a worker; until then a lane keeps workers for others"
    if cpu >= MUCH_CPU:
        yield f"compute less, or in SQL: {cpu * 100:.0f} % of its time is processor time, which more workers do not make shorter"
    elif cpu < LITTLE_CPU and not route["queries"]:
        waits = f"{(1 - cpu) * 100:.0f} % of its time it waits for them"
        yield f"batch what it asks of the database and of others: {waits}, and holds a worker"
    if growth >= MUCH_GROWTH:
        yield f"load less at once: each request leaves {growth / (1 << 20):.1f} MiB in its worker"
