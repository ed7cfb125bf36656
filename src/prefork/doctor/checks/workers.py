"""How many workers there are, against what the machine and its users need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.config.quantities import about
from prefork.doctor.verdict import Finding, check, failed, passed, warned
from prefork.sizing.machine import Machine as Size
from prefork.sizing.size import WORKER_MEMORY, Demand, size

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Live, Machine, Server

LOADED = ("base", "web", "rpc")
WIDE = ("queue_job", "session_redis", "sentry", "dbfilter_from_header", "monitoring", "base_sparse_field", "openupgrade_framework")
BUSY, EXHAUSTED = 80, 95  # per cent, as published


def fitting(machine: Machine) -> int:
    """The workers that the formula gives this machine."""
    return size(Demand(Size(machine.cpus, machine.memory)), "formula").workers


@check(
    "configuration-valid",
    why="A value that cannot be used is not in force, or keeps the server from starting",
    source="Multi-processing, issues: workers not appearing in ps",
)
def valid(conf: Conf) -> Finding:
    """Values that cannot be read or contradict each other."""
    if conf.wrong:
        more = f" (and {len(conf.wrong) - 1} more)" if len(conf.wrong) > 1 else ""
        return failed(f"{conf.wrong[0]}{more}", f"prefork check -c {conf.file}")
    return passed(f"{conf.file} is read without a problem")


@check(
    "keys-known",
    why="A key that nobody reads sets nothing, and what was meant keeps its default",
    source="Multi-processing, issues: workers not appearing in ps",
)
def known(conf: Conf) -> Finding:
    """Misspelt keys. Those of add-ons resemble no known one."""
    for each in conf.unknown:
        if meant := re.search(r"did you mean (\w+)\?", each.sentence):
            key = each.place.rpartition(": ")[2]
            return warned(str(each), f"sed -i 's/^{key}\\b/{meant[1]}/' {conf.file}")
    return passed("every key is known, or an add-on's")


@check(
    "threaded-mode",
    why="One process uses one processor for everything: the site times out while the machine is idle",
    source="Quick answer, the worker configuration problem; Multi-processing, threaded mode; Service, section 2",
)
def threaded(conf: Conf, machine: Machine, server: Server | None = None) -> Finding:
    """No workers at all."""
    if conf.workers or not conf.settings.http_enable or (server and server.http > 1):
        return passed(f"workers = {conf.workers}")
    idle = f", and {machine.cpus - 1:g} of {machine.cpus:g} CPUs idle" if machine.cpus > 1 else ""
    return failed(f"{conf.says('workers')}: one process serves everybody{idle}", f"workers = {fitting(machine)}")


@check(
    "guessed-workers",
    why="Workers beyond CPUs × 2 + 1 only wait for each other, and their memory brings the machine down",
    source="Quick answer, FAQ: optimal number of workers; Service, section 3: do not just guess; Enterprise, 1 worker ≈ 6 users",
)
def guessed(conf: Conf, machine: Machine) -> Finding:
    """Many more than the formula allows."""
    most = max(4, round(4 * machine.cpus + 1))
    if conf.workers > most and conf.settings.http_enable:
        return failed(f"{conf.says('workers')} on {machine.cpus:g} CPUs", f"workers = {fitting(machine)}")
    return passed(f"workers = {conf.workers} on {machine.cpus:g} CPUs")


@check(
    "one-worker-left",
    why="A single slow request holds up everybody else; production wants two workers and one for jobs",
    source="Quick answer, the cron worker dilemma; Multi-processing, FAQ: minimum number of workers; Performance, 1 worker",
)
def lonely(conf: Conf, machine: Machine) -> Finding:
    """One worker for all users beside that for jobs."""
    if conf.workers == 1 and conf.settings.http_enable:
        beside = f" beside {conf.cron} for jobs" if conf.cron else ""
        return warned(f"{conf.says('workers')}: one worker is left for all users{beside}", f"workers = {max(2, fitting(machine))}")
    return passed(f"{conf.workers} workers for requests, {conf.cron} for jobs")


@check(
    "memory-fits",
    why="When all workers are in use the machine has no memory left, and the kernel kills one of them",
    source="Quick answer, the memory limit check; Multi-processing, issues: OOM-kills workers; Service, section 4: RAM consumption",
)
def fits(conf: Conf, machine: Machine, server: Server | None = None) -> Finding:
    """What workers usually take, or take here, for all of them."""
    processes = conf.processes
    measured = server.memory if server and server.memory else ()
    own = server is not None and server.own  # other people's grow from what they have at first
    each = max(measured) if measured and own else max((*measured, WORKER_MEMORY))
    needed = processes * each
    how = f"{processes} processes × {about(each)} {'(the largest here)' if each in measured else '(usual)'} = {about(needed)}"
    if machine.memory and needed > machine.memory:
        return failed(f"{how} do not fit {about(machine.memory)}", f"workers = {max(1, machine.memory // each - conf.cron - 1)}")
    return passed(f"{how} of {about(machine.memory)}")


@check(
    "workers-appear",
    why="The file that was saved is not the one in force, or workers die at their start",
    source="Multi-processing, issues: workers not appearing in ps; Multi-processing, verifying; Quick answer, action items",
)
def appear(conf: Conf, server: Server) -> Finding:
    """Fewer processes than configured."""
    expected = conf.workers if server.titled else conf.workers + conf.cron
    if conf.settings.http_enable and conf.workers and server.http < expected:
        restart = f"systemctl restart {server.unit or 'odoo'}" if not server.own else f"prefork status -c {conf.file}"
        return failed(f"{server.http} worker processes below {server.pid}, {expected} are configured in {conf.file}", restart)
    return passed(f"{server.http} worker processes, {expected} configured")


@check(
    "workers-busy",
    why="From 80 % on requests wait for each other at every peak",
    source="Performance, scaling recommendations",
)
def busy(server: Server) -> Finding:
    """The share of workers that were busy while this was measured."""
    if server.busy is not None and server.busy > BUSY and server.http > 1:
        worse = "users may experience slow responses" if server.busy > EXHAUSTED else "consider adding workers"
        return warned(f"{server.busy:g} % of the workers were busy: {worse}", f"prefork usage --pid {server.pid}")
    return passed(f"{server.busy or 0:g} % of the workers were busy")


@check(
    "queue-short",
    why="Requests that wait find no idle worker: there are too few, or each takes too long",
    source="Quick answer, the worker configuration problem: the site times out",
)
def queue(live: Live) -> Finding:
    """How long the oldest request has waited."""
    waiting, oldest = live.status["queue"]["length"], live.status["queue"]["oldest"]
    if oldest > 1:
        return warned(f"{waiting} requests wait, the oldest for {oldest:.1f} s", f"prefork scale {live.status['wanted'] + 1}")
    return passed(f"{waiting} requests wait")


@check(
    "modules-needed",
    why="What is loaded server-wide is loaded for every database and in every process, used or not",
    source="Performance, Odoo configuration: use --load=base,web",
)
def modules(conf: Conf) -> Finding:
    """Server-wide modules that need not be."""
    given = [name.strip() for name in conf.settings.server_wide_modules]
    needless = [name for name in given if name not in LOADED and not name.startswith(WIDE)]
    if needless:
        kept = ",".join(name for name in given if name not in needless) or "base,web"
        return warned(f"{conf.says('server_wide_modules')}: {', '.join(needless)}", f"server_wide_modules = {kept}")
    return passed("no server-wide module without need")
