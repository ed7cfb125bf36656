"""What has happened: kills and which URLs, constant recycling, crashes, as logs and incidents tell."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prefork.doctor.verdict import Finding, check, failed, passed, warned
from prefork.sizing.limits import SOFT_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.doctor.evidence import Conf, Live, Log
    from prefork.incidents import Incident

DAY = 86_400.0
OFTEN = 12.0  # recycled workers in an hour
REPEATED = 3  # crashes in a day


def lately(live: Live, *causes: str) -> list[Incident]:
    """The incidents of a day with one of these causes."""
    return [each for each in live.incidents if live.now - each.time < DAY and each.cause.startswith(causes)]


def targets(incidents: Iterable[Incident]) -> str:
    """What they were about, the most frequent first, without what stands in query strings."""
    named = Counter(
        (each.request or {}).get("target", "").partition("?")[0] or (each.job or {}).get("name", "") or "no work"
        for each in incidents
    )
    return ", ".join(f"{name} ({count})" for name, count in named.most_common(3))


def longer(url: str, conf: Conf | None) -> str:
    """A limit of its own for a route."""
    real = conf.settings.limit_time_real if conf else 120
    if conf is not None and conf.odoo:
        return f"limit_time_real = {real * 2:g}    # or have {url or 'it'} done in smaller parts"
    return f"limit_time_real_routes = {url or '/report/*'}:{real * 5:g}"


@check(
    "no-time-kills",
    why="Somebody waited for the whole limit and got an error; the same request will do it again",
    source="Quick answer, troubleshooting 2: Worker (pid: 12345) killed",
)
def time_kills(live: Live, conf: Conf | None = None) -> Finding:
    """Requests and jobs that a time limit has ended, by incident."""
    found = lately(live, "limit_time")
    if found:
        url = next(((each.request or {}).get("target", "").partition("?")[0] for each in found if each.request), "")
        return warned(f"{len(found)} in a day: {targets(found)}", longer(url, conf))
    return passed("no time limit was reached in a day")


@check(
    "no-memory-kills",
    why="A request or job took so much memory that its worker had to be killed",
    source="Quick answer, troubleshooting 3: MemoryError; Quick answer, FAQ: limit_memory_hard",
)
def memory_kills(live: Live) -> Finding:
    """The same of memory."""
    if found := lately(live, "limit_memory"):
        return warned(f"{len(found)} in a day: {targets(found)}", f"prefork incidents {found[-1].id}")
    return passed("no memory limit killed a worker in a day")


@check(
    "no-crashes",
    why="A module with native code, or the system, ends workers in the middle of requests",
    source="Multi-processing, if a worker crashes repeatedly the crash reason is surfaced",
)
def crashes(live: Live) -> Finding:
    """Workers that died by themselves."""
    found = lately(live, "crash", "exit", "signal")
    if len(found) >= REPEATED:
        return failed(f"{len(found)} in a day: {targets(found)}", f"prefork incidents {found[-1].id}")
    return passed(f"{len(found)} in a day")


@check(
    "no-kills-logged",
    why="Somebody waited for the whole limit and got an error; the same request will do it again",
    source="Quick answer, troubleshooting 2: a user tried to print a PDF of 5,000 sales orders",
)
def logged_kills(log: Log, conf: Conf | None = None) -> Finding:
    """Workers that a time limit has killed, by the logs, with the URLs that nginx or Prefork names."""
    if log.killed or log.urls:
        which = f": {', '.join(log.urls)}" if log.urls else "; which URL it was only nginx's error log tells (--nginx)"
        return warned(f"{max(log.killed, len(log.urls))} in {log.path}{which}", longer(log.urls[0] if log.urls else "", conf))
    return passed(f"none in {log.path}")


@check(
    "no-memory-errors",
    why="A process asked for memory and there was none",
    source='Quick answer, troubleshooting 3: "MemoryError" or system OOM',
)
def memory_errors(log: Log, conf: Conf | None = None) -> Finding:
    """MemoryError in the log."""
    if log.out_of_memory:
        fewer = max(2, conf.workers - 1) if conf else 2
        return warned(f"{log.out_of_memory} in {log.path}", f"workers = {fewer}    # or a lower limit_memory_hard")
    return passed(f"none in {log.path}")


@check(
    "no-constant-recycling",
    why="A worker that is replaced all the time starts more often than it serves: its limit is too low, or a module leaks",
    source="Quick answer, FAQ: if workers are constantly restarting, limits are too low",
)
def recycling(log: Log, conf: Conf | None = None) -> Finding:
    """Workers that were replaced because of their memory."""
    rate = log.recycled / log.hours
    if rate > OFTEN:
        hard = (conf.settings.limit_memory_hard if conf else 0) * 2 or 2_684_354_560
        fix = f"limit_memory_soft = {hard * SOFT_SHARE // 100}\nlimit_memory_hard = {hard}"
        return warned(f"{log.recycled} in {log.hours:.0f} h of {log.path}", fix)
    return passed(f"{log.recycled} in {log.hours:.0f} h")


@check(
    "live-bound",
    why="Browsers open their WebSocket at a worker for pages: nginx does not send it to the live port",
    source="Quick answer, troubleshooting 1; Multi-processing, issues: missing longpolling nginx block; Service, pro tip",
)
def bound(log: Log) -> Finding:
    """What Odoo says when a live connection arrives at the wrong port."""
    if log.unbound:
        fix = "location /websocket { proxy_pass http://127.0.0.1:8072; }    # with its headers: prefork doctor --nginx FILE"
        return failed(f"{log.unbound} in {log.path}", fix)
    return passed(f"none in {log.path}")


@check(
    "batches",
    why="A request with hundreds of queries writes or reads one record at a time",
    source="Performance, application-level: batch operations, use write on recordsets",
)
def batches(log: Log) -> Finding:
    """Requests with very many queries."""
    if log.costly:
        seen = ", ".join(f"{path}: {count} queries" for path, count in log.costly)
        return warned(
            seen, f"grep -F ' {log.costly[0][0]}' {log.path.split(', ')[0]}    # then write() on recordsets, not in a loop"
        )
    return passed("no request with hundreds of queries")


@check(
    "computed-in-database",
    why="Python adds up what the database could group, and the worker serves nobody else meanwhile",
    source="Performance, application-level: read_group for reporting, minimize custom module complexity in compute fields",
)
def computed(log: Log) -> Finding:
    """Requests that are mostly Python."""
    if log.slow:
        seen = ", ".join(f"{path}: {seconds:.0f} s of Python" for path, seconds in log.slow)
        return warned(seen, f"grep -F ' {log.slow[0][0]}' {log.path.split(', ')[0]}    # read_group, stored compute fields, a job")
    return passed("no request is ten seconds of Python")
