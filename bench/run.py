"""Measure Prefork and the other servers, and write docs/benchmarks.md or another page of the same kind.

    python3 bench/run.py [REPORT] [--quick] [--full] [--rounds 5] [--only …] [--servers …]

REPORT is `benchmarks`, `limits`, `jobs-benchmarks`, `asgi-benchmarks`, `websocket-benchmarks` or `growth`.
A whole run writes its page of docs/. A run with other rounds, scenarios or servers writes to bench/results/ instead, so that it
never replaces a whole one. The raw rounds go there as JSON, too. A full run has seven rounds, and fails where a goal is missed by
more than a tenth. It takes an hour and a quarter, and is the one that writes docs/benchmarks.md: without `--full` these take a
quarter of an hour, and their report lies in bench/results/. No server outlives the run, also when it is interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import goals
from environment import Missing, canonical, compile_ours, install, machine, require_nginx, require_wrk, versions
from grown import GROWN
from lab import Lab
from limited import LIMITED
from live import LIVE
from looped import LOOPED
from plot import drawing
from processes import ServerFailed, adopt_orphans
from report import Heading, Row, Section, document
from scenarios import (
    broadcast,
    bus,
    cron,
    database,
    events,
    failures,
    growth,
    hello,
    jobs,
    limits,
    memory,
    pages,
    proxied,
    shapes,
    slow_clients,
    stall,
    stranding,
    streams,
    tail,
    transfer,
    waiting,
)
from servers import QUEUES, ROOT, SERVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Column
    from servers import Server

RESULTS = ROOT / "bench" / "results"
FULL = 7  # rounds
STEADY = (stall, memory)  # figures that repeat: one round of a full run, too


class Scenario(Protocol):
    """What the modules below scenarios/ are."""

    NAME: str
    ROUNDS: int
    TITLE: str
    METHOD: str
    COLUMNS: tuple[Column, ...]

    def measure(self, server: Server, lab: Lab) -> dict[str, float]:
        """One round of one server. Raises ServerFailed."""


@dataclass(frozen=True)
class Report:
    """A page of docs/: what is measured for it, and of which servers.

    Where scenarios are `brief`, they have one round, unless the run is full, and a full one writes the page.
    """

    heading: Heading
    scenarios: Sequence[Scenario]
    servers: Sequence[Server]
    goals: Sequence[goals.Goal] = ()
    brief: Sequence[Scenario] = ()

    def rounds(self, scenario: Scenario, *, full: bool) -> int:
        """How many of it a run has that was asked for no other number."""
        if full:
            return 1 if scenario in STEADY else FULL
        return 1 if scenario in self.brief else scenario.ROUNDS


REPORTS = {
    "benchmarks": Report(
        Heading("Benchmarks", "make bench-full"),
        (hello, shapes, proxied, stranding, tail, failures, stall, slow_clients, transfer, memory),
        SERVERS,
        goals.GOALS,
        brief=(proxied, stranding, failures, slow_clients, transfer),
    ),
    "limits": Report(
        Heading(
            "Limits beside those of others",
            "make bench-limits",
            f"Each server has the limits that it knows, set to the same values. {limits.METHOD}",
        ),
        limits.SCENARIOS,
        LIMITED,
    ),
    "jobs-benchmarks": Report(
        Heading("Scheduled jobs beside other queues and beside requests", "make bench-jobs"),
        (jobs, *cron.SCENARIOS, database),
        QUEUES,
    ),
    "asgi-benchmarks": Report(
        Heading("ASGI beside other servers", "make bench-asgi"),
        (hello, waiting, streams, stranding, failures, events),
        LOOPED,
        goals.ASGI,
    ),
    "websocket-benchmarks": Report(
        Heading("WebSockets and the bus beside other servers", "make bench-live"), (broadcast, bus, pages), LIVE
    ),
    "growth": Report(Heading("How cost grows", "make bench-growth"), growth.SCENARIOS, GROWN),
}


class Run:
    """One run: which servers and scenarios, and what came of each."""

    def __init__(self, rounds: dict[Scenario, int], servers: list[Server], lab: Lab) -> None:
        self.lab = lab
        self.scenarios = {scenario.NAME: scenario for scenario in rounds}
        self.began = time.monotonic()
        self.plan = [(scenario, server) for scenario in rounds for server in servers if server.supports(scenario.NAME)]
        self.rounds = {scenario.NAME: count for scenario, count in rounds.items()}
        self.rows = {(scenario.NAME, server.name): Row(server.name) for scenario, server in self.plan}

    def measure(self) -> None:
        """Every round of every server in every scenario; a server that fails does not end the run."""
        rounds = max(self.rounds.values())
        for number in range(1, rounds + 1):
            for scenario, server in self.plan:
                if number <= self.rounds[scenario.NAME]:
                    self.say(f"round {number}/{rounds}  {scenario.NAME:<10} {server.name:<17} {self.once(scenario, server)}")

    def once(self, scenario: Scenario, server: Server) -> str:
        """One server in one scenario; what came of it, in a line."""
        row = self.rows[scenario.NAME, server.name]
        try:
            figures = scenario.measure(server, self.lab)
        except (ServerFailed, OSError, ValueError, subprocess.SubprocessError) as error:
            row.failures.append((str(error) or type(error).__name__).replace(str(ROOT), "."))
            return f"FAILED: {row.failures[-1]}"
        row.rounds.append(figures)
        return "  ".join(f"{key} {value:.6g}" for key, value in figures.items()) or "has none of this"

    def say(self, line: str) -> None:
        """Print a line of progress."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"[{minutes:2}:{seconds:02}] {line}", flush=True)

    def sections(self) -> list[Section]:
        """The results, scenario by scenario."""
        chosen = dict.fromkeys(scenario.NAME for scenario, _ in self.plan)
        rows = {name: [row for (scenario, _), row in self.rows.items() if scenario == name] for name in chosen}
        return [section(self.scenarios[name], rows[name]) for name in chosen]

    def raw(self) -> dict[str, dict[str, dict[str, object]]]:
        """Every round's figures and failures: scenario → server."""
        found: dict[str, dict[str, dict[str, object]]] = {}
        for (scenario, server), row in self.rows.items():
            found.setdefault(scenario, {})[server] = {"rounds": row.rounds, "failures": row.failures}
        return found


def section(scenario: Scenario, rows: list[Row]) -> Section:
    """One scenario's part of the report."""
    more = {name.lower(): getattr(scenario, name) for name in ("PICTURE", "REFERENCE") if hasattr(scenario, name)}
    return Section(scenario.TITLE, scenario.METHOD, scenario.COLUMNS, rows, **more)


def chosen(names: str | None, known: dict[str, object], kind: str) -> list[str]:
    """The names of a comma-separated list, or all; ends the program when one is unknown."""
    wanted = names.split(",") if names else list(known)
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"bench: no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted


def usable(servers: Sequence[Server], names: list[str], reasons: dict[str, str]) -> tuple[list[Server], dict[str, str]]:
    """The servers that are installed, and why the others are left out."""
    have = versions()
    asked = [server for server in servers if server.name in names]
    missing = [server for server in asked if canonical(server.package) not in have]
    left_out = {server.name: reasons.get(server.package, "not installed: run `make setup`") for server in missing}
    for name, reason in left_out.items():
        print(f"!! {name} is LEFT OUT: {reason}", flush=True)
    return [server for server in asked if server not in missing], left_out


def publish(name: str, run: Run, servers: list[Server], left_out: dict[str, str], *, whole: bool) -> None:
    """Write the raw rounds, the report and its picture, and say where."""
    now = dt.datetime.now(dt.UTC)
    have = versions()
    minutes = (time.monotonic() - run.began) / 60
    facts = {
        "date": f"{now:%Y-%m-%d}",
        **machine(),
        "rounds": ", ".join(f"{name} {count}" for name, count in run.rounds.items()),
        "time": f"{minutes:.0f} minutes",
    }
    setups = {server.name: f"{server.package} {have[canonical(server.package)]}, {server.setup}" for server in servers}
    RESULTS.mkdir(exist_ok=True)
    raw = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    found = {"facts": facts, "servers": setups, "left_out": left_out, "results": run.raw(), "curves": run.lab.curves}
    raw.write_text(json.dumps(found, indent=1))
    report = (ROOT / "docs" if whole else RESULTS) / f"{name}.md"
    sections = run.sections()
    wanted = goals.chapter(goals.judge(run.rows, REPORTS[name].goals))
    report.write_text(document(REPORTS[name].heading, facts, setups, left_out, sections, wanted))
    for picture in (section.picture for section in sections if section.picture):
        report.with_name(picture).write_text(drawing(run.lab.curves, "leaking requests", "resident memory of all processes, MiB"))
    print(f"wrote {report.relative_to(ROOT)} and {raw.relative_to(ROOT)}")


def main() -> None:
    """Read the command line, prepare, measure, publish."""
    arguments = argparse.ArgumentParser(description="Measure Prefork and the other servers.")
    arguments.add_argument("report", nargs="?", choices=list(REPORTS), default="benchmarks")
    arguments.add_argument("--quick", action="store_true", help="one round, short durations")
    arguments.add_argument("--full", action="store_true", help=f"{FULL} rounds; fails where a goal is missed by more than a tenth")
    arguments.add_argument("--rounds", type=int, help="rounds of every scenario (default: those of each)")
    arguments.add_argument("--only", metavar="SCENARIO,…", help="some of the report's scenarios")
    arguments.add_argument("--servers", metavar="SERVER,…", help="some of the report's servers")
    given = arguments.parse_args()
    report = REPORTS[given.report]
    known = {scenario.NAME: scenario for scenario in report.scenarios}
    scenarios = [known[name] for name in chosen(given.only, dict(known), "scenario")]
    names = chosen(given.servers, {server.name: server for server in report.servers}, "server")
    if any(scenario in scenarios for scenario in (hello, shapes, proxied, waiting, streams, limits.COST)):
        require_wrk()
    if transfer in scenarios or proxied in scenarios:
        require_nginx()
    adopt_orphans()
    servers, left_out = usable(report.servers, names, install())
    if any(server.compiled for server in servers):
        compile_ours()
    asked = 1 if given.quick else given.rounds
    run = Run({each: asked or report.rounds(each, full=given.full) for each in scenarios}, servers, Lab(given.quick))
    run.measure()
    whole = not (asked or given.only or given.servers) and (given.full or not report.brief)
    publish(given.report, run, servers, left_out, whole=whole)
    if missed := [verdict.line() for verdict in goals.judge(run.rows, report.goals) if not verdict.met(goals.LENIENCY)]:
        print("bench: missed by more than a tenth:", *missed, sep="\n")
        sys.exit(1 if given.full else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except Missing as missing:
        sys.exit(f"bench: {missing}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; every server has been stopped")
