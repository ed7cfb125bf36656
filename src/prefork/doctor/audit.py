"""The tuning audit of a running Prefork on this machine: load before, memory, the configuration that follows, load after.

The number of workers that it proposes is tried for as long as the second load lasts, by the command that `prefork scale` gives, and
taken back whatever happens. The file is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prefork.config.quantities import about
from prefork.control.answers import explained, lacking
from prefork.control.client import Unreachable, ask
from prefork.doctor import stress
from prefork.doctor.evidence import Conf, Unseen
from prefork.doctor.probes import conf, machine
from prefork.doctor.probes.server import memory as proportional
from prefork.doctor.probes.site import Place
from prefork.sizing.machine import Machine as Room
from prefork.sizing.size import WORKER_MEMORY, Demand, Sizing, size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork.doctor.evidence import Machine
    from prefork.doctor.stress import Round

PATIENCE = 10.0  # seconds for a command
ALIKE = 0.9  # of a rate
WAITED = 240  # glances at a quarter of a second, for workers to get ready


class Unfit(Exception):
    """The audit cannot be made; the sentence says why."""


@dataclass(frozen=True)
class Strain:
    """A load while the rest of what workers may take by their limits was taken: `wanted` bytes, of which `taken` could be."""

    wanted: int
    taken: int
    held: bool
    load: Round

    @property
    def fits(self) -> bool:
        """Whether all that the limits allow could be taken, and nothing failed meanwhile."""
        return self.held and self.taken >= self.wanted and not self.load.failed


@dataclass(frozen=True)
class Audit:
    """Everything for the report. `peak` is the proportional memory of the largest worker under load."""

    url: str
    machine: Machine
    conf: Conf
    workers: int
    peak: int
    before: tuple[Round, ...]
    strain: Strain
    sizing: Sizing
    after: tuple[Round, ...]

    @property
    def better(self) -> bool:
        """Whether the advised number of workers has answered the most clients as quickly at least, but for what chance does."""
        return self.after[-1].rate >= ALIKE * self.before[-1].rate and not self.after[-1].failed


def audit(url: str, file: Path, seconds: float, pause: Callable[[float], None]) -> Audit:
    """Make one. Each load lasts so many seconds. Raises Unfit."""
    place = target(url)
    found = conf.read(file, own=True)
    if isinstance(found, Unseen):
        raise Unfit(found.why)
    socket = found.settings.control_socket
    status = told(socket, {"command": "status"})
    if not any(str(place.port) == address.rpartition(":")[2] for address in status["addresses"]):
        raise Unfit(f"{url} is not an address of the server at {socket}; it has {', '.join(status['addresses'])}")
    if status["threads"]:
        raise Unfit("threaded mode (workers = 0) has no workers to tune; set workers first")
    here, workers = machine.read(found.data_dir), status["wanted"]
    before = loads(place, workers, seconds)
    peak = largest(told(socket, {"command": "status"}))
    strain = strained(place, found, here, workers, seconds)
    advised = size(Demand(Room(here.cpus, here.memory), worker_memory=max(peak, WORKER_MEMORY)), "formula")
    after = before
    if advised.workers != workers:
        after = scaled(socket, place, workers, advised.workers, seconds, pause)
    return Audit(url, here, found, workers, peak, before, strain, advised, after)


def target(url: str) -> Place:
    """Where the load goes: to this machine only. Raises Unfit."""
    parts = urlsplit(url)
    place = Place(parts.scheme, parts.hostname or "", parts.port or 80)
    if parts.scheme != "http" or not place.loopback:
        raise Unfit(f"{url} is not on this machine; a stress test is for an instance of your own, as in http://127.0.0.1:8069")
    return place


def told(socket: Path, request: dict[str, object]) -> dict[str, Any]:
    """The answer of the server, which only its own account gets. Raises Unfit."""
    try:
        answer = ask(socket, request, PATIENCE)
    except Unreachable as reason:
        raise Unfit(str(reason)) from None
    if answer.get("ok") is False:
        raise Unfit(str(answer.get("error")))
    if lacks := lacking(str(request["command"]), answer):
        raise Unfit(explained(f"the server at {socket}", lacks, answer.get("version")))
    return answer


def loads(place: Place, workers: int, seconds: float) -> tuple[Round, ...]:
    """One client, as many as there are workers, and four times as many."""
    return tuple(stress.load(place.host, place.port, "/", clients, seconds) for clients in (1, workers, 4 * workers))


def largest(status: dict[str, Any]) -> int:
    """The memory of the largest worker."""
    pids = {row["pid"] for row in status["workers"] if row["pool"] == "http"} - {None}
    return max((proportional(pid) or 0 for pid in pids), default=0)


def strained(place: Place, found: Conf, here: Machine, workers: int, seconds: float) -> Strain:
    """A load while the memory is gone that workers at their hard limits would have."""
    wanted = found.settings.limit_memory_hard * (workers + found.cron)
    taken = min(wanted, (here.available if here.available is not None else here.memory) // 2)
    with stress.memory(taken) as held:
        return Strain(wanted, taken, held, stress.load(place.host, place.port, "/", workers, seconds))


def scaled(
    socket: Path, place: Place, workers: int, advised: int, seconds: float, pause: Callable[[float], None]
) -> tuple[Round, ...]:
    """The same loads with another number of workers, which is taken back afterwards."""
    try:
        told(socket, {"command": "scale", "pool": "http", "workers": advised})
        for _ in range(WAITED):
            if told(socket, {"command": "status"})["ready"] >= advised:
                break
            pause(0.25)
        return loads(place, workers, seconds)
    finally:
        told(socket, {"command": "scale", "pool": "http", "workers": workers})


def report(made: Audit) -> str:
    """One HTML file that needs nothing else."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("prefork.doctor"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["size"] = about
    environment.filters["milliseconds"] = lambda seconds: f"{seconds * 1000:.1f} ms"
    options = "".join(f"{name} = {value}\n" for name, value in made.sizing.options.items())
    return environment.get_template("audit.html").render(audit=made, options=options)
