"""A day of one server: it boots, works, is reloaded under load, and meets a limit. And the days on which all of them compete.

Gives one round's figures by name; a server that lacks one is a failed server.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from tests.odoo.person import Person, rpc_body

from figures import percentile
from odoo.served import WORKERS, serving
from prefork.testing import BrokenAnswer
from processes import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.odoo.installation import Estate

    from odoo.served import Served
    from prefork.testing import Request

CLIENT = Path(__file__).with_name("client.py")
DATABASE = "shop"
CLIENTS = (8, 32)
LOGINS = 5
LIMIT = 10  # seconds
SLOW = f"/probe/sleep?seconds={4 * LIMIT}"
AFTERMATH = 15.0  # seconds of load after the reload is asked for
PARTNERS = 200
MANY = 4  # workers
ACTIONS_TIMEOUT = 90.0  # seconds
DUE = "SELECT count(*) FROM ir_cron WHERE active AND nextcall <= (now() AT TIME ZONE 'UTC')"


@dataclass(frozen=True)
class Found:
    """What clients saw: latencies in seconds, ascending; failures by kind; the longest time in which nobody was answered."""

    latencies: list[float]
    failures: dict[str, int]
    gap: float
    seconds: float

    @property
    def failed(self) -> float:
        """How many requests failed."""
        return float(sum(self.failures.values()))


@dataclass(frozen=True)
class Pace:
    """How long each load lasts, in seconds."""

    load: float
    warm: float


def spend(name: str, estate: Estate, pace: Pace) -> dict[str, float]:
    """One server alone: its boot, its memory, a reload and a limit. Raises ServerFailed."""
    figures: dict[str, float] = {}
    with serving(name, estate, DATABASE) as served:
        figures["boot"] = served.boot
        anna = at_work(served)
        figures |= named("fresh", served.memory())
        use(served, estate, anna, pace)
        figures |= named("used", served.memory())
        figures |= named("reload", reload(served, anna))
    with serving(name, estate, DATABASE, workers=MANY) as served:
        use(served, estate, at_work(served), pace)
        figures |= named("many", served.memory())
    with serving(name, estate, DATABASE, limit_time_real=LIMIT) as served:
        return figures | named("limit", meet_limit(served))


def use(served: Served, estate: Estate, anna: Person, pace: Pace) -> None:
    """Have each kind of request made, and the scheduled actions run, for which Odoo's own server would wait a minute."""
    for request in requests(anna).values():
        load(served, request, CLIENTS[-1], pace.warm)
    estate.postgres.query("postgres", f"NOTIFY cron_trigger, '{served.database}'")
    deadline = time.monotonic() + ACTIONS_TIMEOUT
    while estate.postgres.query(served.database, DUE) != [("0",)]:
        if time.monotonic() > deadline:
            raise ServerFailed(f"scheduled actions were still due after {ACTIONS_TIMEOUT} s")
        time.sleep(0.2)


def compete(names: Sequence[str], estate: Estate, pace: Pace) -> dict[str, dict[str, float]]:
    """All servers are up, and each load is on one after the other: what else the machine does then weighs on all of them."""
    figures: dict[str, dict[str, float]] = {name: {} for name in names}
    with contextlib.ExitStack() as stack:
        up = {name: stack.enter_context(serving(name, estate, f"shop{number}")) for number, name in enumerate(names)}
        asked = {name: requests(at_work(served)) for name, served in up.items()}
        for what, clients in product(asked[names[0]], CLIENTS):
            for name, served in up.items():
                load(served, asked[name][what], WORKERS, pace.warm)
                figures[name] |= named(f"{what} {clients}", seen(load(served, asked[name][what], clients, pace.load)))
    return figures


def at_work(served: Served) -> Person:
    """Somebody who has logged in and made partners. Each worker has answered the page by then: the first time is dear."""
    anna = Person(served.port, served.database)
    anna.log_in()
    anna.call("res.partner", "create", [{"name": f"Partner {number}"} for number in range(PARTNERS)])
    load(served, anna.request("/web/login"), 2 * WORKERS, 2.0)
    return anna


def named(what: str, figures: dict[str, float]) -> dict[str, float]:
    """Figures under the name of what they are about."""
    return {f"{what} {key}": value for key, value in figures.items()}


def requests(anna: Person) -> dict[str, Request]:
    """What is asked for, by name."""
    stranger = Person(anna.port)
    as_json = {"Content-Type": "application/json"}
    search = rpc_body(model="res.partner", method="search_read", args=[[], ["name", "email"]], kwargs={"limit": 40})
    create = rpc_body(model="res.partner", method="create", args=[{"name": "Made by the benchmark"}], kwargs={})
    return {
        "health": anna.request("/web/health"),
        "static": anna.request("/web/static/img/logo2.png"),
        "login": anna.request("/web/login"),
        "login, no session": stranger.request("/web/login"),
        "search_read": anna.request("/web/dataset/call_kw/res.partner/search_read", "POST", as_json, search),
        "create": anna.request("/web/dataset/call_kw/res.partner/create", "POST", as_json, create),
    }


def load(served: Served, request: Request, clients: int, seconds: float) -> Found:
    """What so many clients see."""
    with loading(served, request, clients, seconds) as process:
        return finish(process)


def loading(served: Served, request: Request, clients: int, seconds: float) -> subprocess.Popen[str]:
    """So many clients at work, as a process."""
    command = [sys.executable, str(CLIENT), str(served.port), str(clients), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
    assert process.stdin
    given = {"target": request.target, "method": request.method, "headers": dict(request.headers), "body": request.body.decode()}
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    return process


def finish(process: subprocess.Popen[str]) -> Found:
    """What the clients have found."""
    assert process.stdout
    found = Found(**json.loads(process.stdout.read()))
    if not found.latencies:
        raise ServerFailed(f"nobody was answered: {found.failures}")
    return found


def seen(found: Found) -> dict[str, float]:
    """Requests per second; milliseconds; how often p99 is the mean that the queue of a closed loop explains; failures."""
    p99, mean = percentile(found.latencies, 99), sum(found.latencies) / len(found.latencies)
    return {
        "rate": len(found.latencies) / found.seconds,
        "p50": percentile(found.latencies, 50) * 1000,
        "p99": p99 * 1000,
        "stretch": p99 / mean,
        "failed": found.failed,
    }


def reload(served: Served, anna: Person) -> dict[str, float]:
    """A reload under the load of eight clients who want a page."""
    with loading(served, anna.request("/web/login"), CLIENTS[0], 1.0 + AFTERMATH) as process:
        time.sleep(1.0)
        served.reload()
        found = finish(process)
    return {"failed": found.failed, "gap": found.gap, "longest": found.latencies[-1]}


def logged_in(served: Served) -> Person:
    """Somebody who tries again: Odoo's own limit counts from before the request, and may end that of a slow first answer."""
    for _ in range(LOGINS):
        bert = Person(served.port, served.database)
        with contextlib.suppress(BrokenAnswer, OSError):
            bert.log_in()
            return bert
    raise ServerFailed(f"nobody could log in, {LOGINS} times")


def meet_limit(served: Served) -> dict[str, float]:
    """A request that sleeps past limit_time_real: its status (0: a cut connection), when, and what the log says of it."""
    bert = logged_in(served)
    began = time.monotonic()
    try:
        status = float(bert.ask(SLOW).status)
    except (BrokenAnswer, OSError):
        status = 0.0
    seconds = time.monotonic() - began
    time.sleep(1.0)
    log = served.log()
    return {"status": status, "late": seconds - LIMIT, "named": float(SLOW in log), "stack": float("in sleep" in log)}
