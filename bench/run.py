"""Measure Prefork and the other servers, and write docs/benchmarks.md.

    python3 bench/run.py [--quick] [--rounds 5] [--only hello,stranding] [--servers prefork,gunicorn-sync]

A whole run takes about twenty minutes and writes docs/benchmarks.md. A run with other rounds, scenarios or servers writes
bench/results/benchmarks.md instead, so that it never replaces a whole one. The raw rounds go to bench/results/ as JSON. No
server outlives the run, also when it is interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from environment import Missing, canonical, install, machine, require_nginx, require_wrk, versions
from lab import Lab
from processes import ServerFailed, adopt_orphans
from report import Row, Section, document
from scenarios import failures, hello, memory, slow_clients, stall, stranding, transfer
from servers import ROOT, SERVERS

if TYPE_CHECKING:
    from types import ModuleType

    from servers import Server

SCENARIOS = {module.NAME: module for module in (hello, stranding, failures, stall, slow_clients, transfer, memory)}
RESULTS = ROOT / "bench" / "results"


class Run:
    """One run: which servers and scenarios, and what came of each."""

    def __init__(self, scenarios: list[ModuleType], servers: list[Server], lab: Lab, rounds: int | None) -> None:
        self.lab = lab
        self.began = time.monotonic()
        self.plan = [(scenario, server) for scenario in scenarios for server in servers if server.supports(scenario.NAME)]
        self.rounds = {scenario.NAME: rounds or scenario.ROUNDS for scenario in scenarios}
        self.rows = {(scenario.NAME, server.name): Row(server.name) for scenario, server in self.plan}

    def measure(self) -> None:
        """Every round of every server in every scenario; a server that fails does not end the run."""
        rounds = max(self.rounds.values())
        for number in range(1, rounds + 1):
            for scenario, server in self.plan:
                if number <= self.rounds[scenario.NAME]:
                    self.say(f"round {number}/{rounds}  {scenario.NAME:<10} {server.name:<17} {self.once(scenario, server)}")

    def once(self, scenario: ModuleType, server: Server) -> str:
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
        return [Section(SCENARIOS[name].TITLE, SCENARIOS[name].METHOD, SCENARIOS[name].COLUMNS, rows[name]) for name in chosen]

    def raw(self) -> dict[str, dict[str, dict[str, object]]]:
        """Every round's figures and failures: scenario → server."""
        found: dict[str, dict[str, dict[str, object]]] = {}
        for (scenario, server), row in self.rows.items():
            found.setdefault(scenario, {})[server] = {"rounds": row.rounds, "failures": row.failures}
        return found


def chosen(names: str | None, known: dict[str, object], kind: str) -> list[str]:
    """The names of a comma-separated list, or all; ends the program when one is unknown."""
    wanted = names.split(",") if names else list(known)
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"bench: no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted


def usable(names: list[str], reasons: dict[str, str]) -> tuple[list[Server], dict[str, str]]:
    """The servers that are installed, and why the others are left out."""
    have = versions()
    asked = [server for server in SERVERS if server.name in names]
    missing = [server for server in asked if canonical(server.package) not in have]
    left_out = {server.name: reasons.get(server.package, "not installed: run `make setup`") for server in missing}
    for name, reason in left_out.items():
        print(f"!! {name} is LEFT OUT: {reason}", flush=True)
    return [server for server in asked if server not in missing], left_out


def publish(run: Run, servers: list[Server], left_out: dict[str, str], *, whole: bool) -> None:
    """Write the raw rounds and the report, and say where."""
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
    raw.write_text(json.dumps({"facts": facts, "servers": setups, "left_out": left_out, "results": run.raw()}, indent=1))
    report = ROOT / "docs" / "benchmarks.md" if whole else RESULTS / "benchmarks.md"
    report.write_text(document(facts, setups, left_out, run.sections()))
    print(f"wrote {report.relative_to(ROOT)} and {raw.relative_to(ROOT)}")


def main() -> None:
    """Read the command line, prepare, measure, publish."""
    arguments = argparse.ArgumentParser(description="Measure Prefork and the other servers.")
    arguments.add_argument("--quick", action="store_true", help="one round, short durations")
    arguments.add_argument("--rounds", type=int, help="rounds of every scenario (default: 3; memory 1)")
    arguments.add_argument("--only", metavar="SCENARIO,…", help=", ".join(SCENARIOS))
    arguments.add_argument("--servers", metavar="SERVER,…", help=", ".join(server.name for server in SERVERS))
    given = arguments.parse_args()
    scenarios = [SCENARIOS[name] for name in chosen(given.only, dict(SCENARIOS), "scenario")]
    names = chosen(given.servers, {server.name: server for server in SERVERS}, "server")
    if hello in scenarios:
        require_wrk()
    if transfer in scenarios:
        require_nginx()
    adopt_orphans()
    servers, left_out = usable(names, install())
    run = Run(scenarios, servers, Lab(given.quick), 1 if given.quick else given.rounds)
    run.measure()
    whole = not (given.quick or given.only or given.servers or given.rounds)
    publish(run, servers, left_out, whole=whole)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except Missing as missing:
        sys.exit(f"bench: {missing}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; every server has been stopped")
