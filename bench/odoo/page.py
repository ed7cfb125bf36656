"""The page: what each server did, how they compare, and which goals that meets. Pure: rounds in, Markdown out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Literal

from odoo.served import LENT, OURS, OWN
from report import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Round = dict[str, dict[str, float]]  # server → figure → value

HEAD = """# Odoo, beside its own server

Written by `make bench-odoo`. Odoo's own server and Prefork are started from the same `odoo.conf` with two workers, on the same
tree, interpreter and PostgreSQL, each with a fresh copy of one database; the order changes from round to round. All run on one
machine together with the clients. Figures are medians of the rounds. Ratios are Prefork's figure divided by that of Odoo's own
server in the same round, and of those the median: compare these, not absolute figures."""

METHOD = {
    "Requests": "Both servers are up, and each load is on one and then on the other. So many clients ask again as soon as they are "
    "answered. A latency counts from before the connection is opened, where one has to be; clients keep connections that the "
    "server keeps. `search_read` gives 40 partners of 200, `create` makes one. *Stretch* is p99 divided by the mean, which is what "
    "the queue of a closed loop explains (clients ÷ requests/s). *Prefork lending* has `lend_connections` besides, which is "
    "made for requests that take microseconds: where they take milliseconds most are handed over all the same.",
    "Memory": "Proportional set size, MiB, of all processes: after each worker has answered a page, and after 32 "
    "clients have asked for each of the above for a while and the scheduled actions have run. Only one of the servers is up. "
    "Prefork's master and dispatcher are there once, and each further worker shares what it does not change: the more workers, "
    "the smaller the ratio.",
    "Reload": "HUP while eight clients ask for `/web/login` with a session.",
    "A request that takes too long": "`limit_time_real = 10`, and a request that sleeps for 40 s. Its status is 0 where the "
    "connection was cut. Less than 0 s is too early.",
}


@dataclass(frozen=True)
class Figure:
    """One line of a table: its key in a round, its words, how many decimals, and whether a ratio says anything."""

    key: str
    words: str
    decimals: int = 0
    ratio: bool = True
    total: bool = False


@dataclass(frozen=True)
class Goal:
    """What was wanted: of which figure, and whether the ratio or Prefork's own figure is judged."""

    key: str
    of: Literal["ratio", "figure"]
    met: Callable[[float], bool]
    words: str


NAMES = {
    "health": "`/web/health`",
    "static": "a static file",
    "login": "`/web/login`",
    "login, no session": "`/web/login` without a session",
    "search_read": "`search_read`",
    "create": "`create`",
}
QUICK = ("health", "static")
TABLES = {
    "Memory": (
        Figure("fresh all", "after boot"),
        Figure("used all", "after the load"),
        Figure("used plain", "after the load, without the process for live connections"),
        Figure("many all", "after the load, four workers"),
        Figure("many plain", "the same without the process for live connections"),
    ),
    "Reload": (
        Figure("reload failed", "failed requests, total", ratio=False, total=True),
        Figure("reload gap", "longest time in which nobody was answered, s", 2),
        Figure("reload longest", "longest request, s", 2),
    ),
    "A request that takes too long": (
        Figure("limit status", "its status", ratio=False),
        Figure("limit late", "after its limit, s", 2, ratio=False),
        Figure("limit named", "the log names its URL (1: yes)", ratio=False),
        Figure("limit stack", "the log shows where it was (1: yes)", ratio=False),
    ),
}
BOOT = Figure("boot", "from the start to the first page, s", 1)


def at_most(bound: float) -> Callable[[float], bool]:
    """Whether a figure is not above a bound."""
    return lambda value: value <= bound


def at_least(bound: float) -> Callable[[float], bool]:
    """Whether a figure is not below a bound."""
    return lambda value: value >= bound


GOALS = (
    Goal("reload failed", "figure", at_most(0), "no request fails at a reload"),
    *(Goal(f"{what} 32 p99", "figure", at_most(50), f"p99 of {NAMES[what]} at 32 clients ≤ 50 ms") for what in QUICK),
    Goal("login 32 stretch", "figure", at_most(1.5), "p99 of `/web/login` at 32 clients ≤ 1.5 × what the queue explains"),
    *(Goal(f"{what} 8 rate", "ratio", at_least(1.0), f"throughput of {NAMES[what]} at 8 clients ≥ 1 ×") for what in NAMES),
    *(Goal(f"{what} 32 rate", "ratio", at_least(1.3), f"throughput of {NAMES[what]} at 32 clients ≥ 1.3 ×") for what in NAMES),
    Goal("used all", "ratio", at_most(1.0), "memory after the load ≤ 1 ×"),
    Goal("used plain", "ratio", at_most(0.75), "the same without the process for live connections ≤ 0.75 ×"),
    Goal("limit named", "figure", at_least(1), "a request that takes too long is named"),
    Goal("limit stack", "figure", at_least(1), "and its stack is shown"),
)


def figure(rounds: Sequence[Round], server: str, key: str, *, total: bool = False) -> float:
    """One server's figure: the median, or of failures the total, which no round can hide in."""
    values = [each[server][key] for each in rounds]
    return sum(values) if total else median(values)


def ratio(rounds: Sequence[Round], key: str, server: str = OURS) -> float | None:
    """The median of the rounds' ratios; None where there is nothing to divide by."""
    if not all(each[OWN][key] for each in rounds):
        return None
    return median(each[server][key] / each[OWN][key] for each in rounds)


def page(facts: dict[str, str], rounds: Sequence[Round]) -> str:
    """The whole page."""
    parts = [HEAD, listing(facts), "## Goals", goals(rounds), "## Requests", METHOD["Requests"], traffic(rounds), "## Memory"]
    parts += [METHOD["Memory"], table(rounds, TABLES["Memory"])]
    for title in ("Reload", "A request that takes too long"):
        parts += [f"## {title}", METHOD[title], table(rounds, TABLES[title])]
    return "\n\n".join([*parts, "## Boot", table(rounds, (BOOT,))]) + "\n"


def goals(rounds: Sequence[Round]) -> str:
    """Which goals are met."""
    lines = ["| goal | is | met |", "| --- | ---: | --- |"]
    for goal in GOALS:
        total = goal.key.endswith("failed")
        value = ratio(rounds, goal.key) if goal.of == "ratio" else figure(rounds, OURS, goal.key, total=total)
        text = "–" if value is None else f"{value:.2f}{' ×' if goal.of == 'ratio' else ''}"
        lines.append(f"| {goal.words} | {text} | {'yes' if value is not None and goal.met(value) else '**no**'} |")
    return "\n".join(lines)


def traffic(rounds: Sequence[Round]) -> str:
    """What each kind of request got from each server."""
    heads = ["", "clients", "server", "requests/s", "p50, ms", "p99, ms", "stretch", "failed, total"]
    lines = [heads, ["---", "---:", "---", *["---:"] * 5]]
    lines += [
        [NAMES[what], str(clients), server, *cells(rounds, server, f"{what} {clients}")]
        for what, clients, server in product(NAMES, (8, 32), (OWN, OURS, LENT))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(rounds: Sequence[Round], server: str, key: str) -> list[str]:
    """One server's figures for one kind of request, with the ratios where it is not Odoo's own."""
    found = []
    for name, decimals in (("rate", 0), ("p50", 1), ("p99", 1)):
        share = None if server == OWN else ratio(rounds, f"{key} {name}", server)
        text = f"{figure(rounds, server, f'{key} {name}'):.{decimals}f}"
        found.append(text if share is None else f"{text} ({share:.2f} ×)")
    failed = figure(rounds, server, f"{key} failed", total=True)
    return [*found, f"{figure(rounds, server, f'{key} stretch'):.2f}", f"{failed:.0f}"]


def table(rounds: Sequence[Round], figures: Sequence[Figure]) -> str:
    """Figures, a line each."""
    lines = [["", OWN, OURS, "ratio"], ["---", *["---:"] * 3]]
    for each in figures:
        values = [f"{figure(rounds, server, each.key, total=each.total):.{each.decimals}f}" for server in (OWN, OURS)]
        share = ratio(rounds, each.key) if each.ratio else None
        lines.append([each.words, *values, "–" if share is None else f"{share:.2f} ×"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
