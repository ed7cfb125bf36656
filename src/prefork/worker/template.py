"""The template: a process that has imported the application, frozen its heap, and forks workers when the master says so.

One thread, one channel. It never serves a request; it ends when the master closes the channel. A worker is forked twice, so that
the master adopts it: the intermediate process exits at once.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import signal
import socket
import struct
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from prefork import given
from prefork.kernel import STACKS, return_memory, set_title
from prefork.orders import take_orders
from prefork.scoreboard import TURNED, Scoreboard
from prefork.worker import census
from prefork.worker.app import Refused
from prefork.worker.asgi.detect import ASGI, WSGI
from prefork.worker.cron import Cron, Identity, Wire
from prefork.worker.hooks import Hooks, Worker
from prefork.worker.hosts import django
from prefork.worker.hosts.named import Named
from prefork.worker.http import Desk, Means, serve
from prefork.worker.life import leave_keys_to_master, live, report, settle
from prefork.worker.names import function, imported
from prefork.worker.offload import Offload
from prefork.worker.offspring import family
from prefork.worker.output import Output
from prefork.worker.packages import borrower, shortcut
from prefork.worker.threads import serve_in_threads
from prefork.worker.traces import sentence, trace

if TYPE_CHECKING:
    from prefork.channel import Channel
    from prefork.scoreboard import Slot
    from prefork.worker.app import Host
    from prefork.worker.asgi.lifespan import App
    from prefork.worker.cron import Source

    Places = list[tuple[socket.socket, Slot]]
    Body = Callable[[Places, int], int]  # the places of a worker and how much it does before it is worn; returns the exit status

PID = struct.Struct("i")
LONGEST_SECRET = 16384  # bytes of the file
LONGEST_TRACEBACK = 16384  # characters of its end


class Template:
    """What the template knows: the application, and the descriptors each worker inherits."""

    def __init__(self, channel: Channel, orders: dict[str, Any], scoreboard: int, reports: int, spool: int, *kept: int) -> None:
        self.channel = channel
        self.orders = orders
        self.scoreboard = Scoreboard(scoreboard)
        self.reports = socket.socket(fileno=reports)
        self.output = Output()
        self.host = self.host_of(orders)
        self.source: Callable[[Identity], Source] | None = None
        self.hooks = Hooks(orders["hooks"])
        self.authorize: Callable[..., Any] | None = None
        self.loaded = False
        self.spool = spool
        self.stacks = -1
        self.own = {channel.wire.fileno(), scoreboard, reports}
        provide(orders["given"], *kept)

    def host_of(self, orders: dict[str, Any]) -> Host | None:
        """What hosts the application, if there is one. What only Odoo needs is imported here: other templates start without it."""
        threaded = orders["threads"] > 0
        if orders["odoo"]:
            from prefork.worker.hosts.odoo.host import Odoo

            return Odoo(**orders["odoo"], threaded=threaded, reload=lambda: report(self.reports, "reload"))
        if not orders["app"]:
            return None
        return Named(orders["app"], threaded, orders["interface"], orders["concurrency"])

    def prepare(self) -> bool:
        """Import the application (unless each worker is to do that) and tell the master. False: it cannot be imported."""
        started = time.monotonic()
        if self.orders["preload"] != "false":
            try:
                self.load()
            except BaseException as error:  # noqa: BLE001 - whatever the application's import raises is told, not suffered
                self.channel.send("failed", reason=sentence(error), traceback=traced(error))
                return False
            self.loaded = True
            django.part()
        borrow = borrower(self.orders["lending"])  # imported once, for all workers
        if borrow:
            shortcut()
        # Where nobody asks for it, it is not tried: a parser that is compiled is for one Python only.
        reads = borrow is not None if self.orders["lending"] else sys.implementation.cache_tag == self.orders["bytecode"]
        found = census.take(self.own)
        # Collect now and freeze: a collection in a worker would write to every page it shares with this process. What is left for
        # a worker to collect takes 1.0 to 1.4 % of its processor time with Odoo, so thresholds stay Python's.
        gc.collect()
        return_memory()
        gc.freeze()
        seconds = time.monotonic() - started
        told = {"threads": found.threads, "sockets": found.sockets, "interface": self.interface(), "reads": reads}
        self.channel.send("loaded", None, seconds=seconds, preloaded=self.loaded, **told)
        return True

    def load(self) -> None:
        """Import the application, and find its hooks, its jobs, and who says what may be subscribed to."""
        if self.host:
            self.host.load()
        self.hooks.load()
        for module in self.orders["jobs"]:
            imported(f"jobs = {module}", module)
        if name := self.orders["websocket_authorize"]:
            self.authorize = function(f"websocket_authorize = {name}", name)
        if name := self.orders["job_source"]:
            self.source = function(f"job_source = {name}", name)
        elif self.host:
            self.source = self.host.source()

    def interface(self) -> str:
        """That of the application, as far as it is known; empty where nobody knows, or there is none."""
        if self.host and self.host.looped:
            return ASGI
        return WSGI if self.host and self.loaded else ""

    def speaker(self) -> App | None:
        """The application where it is one of ASGI, and can speak with clients by itself; it must have been loaded."""
        return self.host.application if isinstance(self.host, Named) and self.host.looped else None

    def means(self) -> Means:
        """What answers are made with; the application must have been loaded."""
        roots = (*self.orders["sendfile_roots"], *(self.host.sendfile_roots() if self.host else ()))
        places = tuple(map(tuple, self.orders["accel_redirects"]))
        offload = Offload(roots, places) if roots or places else None
        borrow = borrower(self.orders["lending"])
        return Means(self.spool, self.orders["response_spool_max"], self.output, offload, borrow, shortcut() if borrow else None)

    def obey(self) -> None:
        """Fork a worker or change the log, as ordered, until the channel ends."""
        while True:
            order, descriptors = self.channel.receive()
            if order is None:
                return
            if order["kind"] == "log":
                self.output.switch(*descriptors)
                continue
            pid = self.fork(order, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self.channel.send("forked", slot=order["slot"], pid=pid)

    def fork(self, order: dict[str, Any], stacks: int, *pairs: int) -> int:
        """A new worker's pid, or 0 when the system refused one. In the worker it does not return.

        `stacks` is the file for its stacks; there is one pair, or in threaded mode one for each thread.
        """
        try:
            reading, writing = os.pipe()
        except OSError:
            return 0
        try:
            intermediate = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            return 0
        if intermediate == 0:
            os.close(reading)
            self._fork_again(order, stacks, pairs, writing)
        os.close(writing)
        told = os.read(reading, PID.size)
        os.close(reading)
        os.waitpid(intermediate, 0)
        pid: int = PID.unpack(told)[0] if len(told) == PID.size else 0
        return pid

    def _fork_again(self, order: dict[str, Any], stacks: int, pairs: tuple[int, ...], writing: int) -> None:
        me = os.getpid()
        with contextlib.suppress(OSError):
            pid = os.fork()
            if pid == 0:
                os.close(writing)
                live(lambda: self.work(order, stacks, pairs, me))
            os.write(writing, PID.pack(pid))
        os._exit(0)

    def work(self, order: dict[str, Any], stacks: int, pairs: tuple[int, ...], intermediate: int) -> int:
        """Be a worker; returns the exit status."""
        settle(self.orders["master"], intermediate, stacks, self.orders["at_terminal"])
        self.stacks = stacks
        self.channel.wire.close()
        set_title(self.title(order))
        first = order["slot"]
        places = [(socket.socket(fileno=pair), self.scoreboard.slot(first + n)) for n, pair in enumerate(pairs)]
        family.found()
        family.withhold(lambda: [pair.fileno() for pair, _ in places], self.scoreboard.memory)
        given.tell = partial(report, self.reports, slot=first)
        worker = Worker(order["name"], os.getpid(), self.orders["generation"])
        try:
            if not self.loaded:
                self.load()
            pool = POOLS[order["pool"]]
            pool.stand_back()
            self.hooks.call("after_fork", worker)
            body = pool.prepare(self, order)
            self.hooks.call("worker_ready", worker)
            family.end()
        except BaseException as error:  # noqa: BLE001 - as in the template
            family.end(error)
            report(self.reports, "boot_failed", slot=first, reason=sentence(error), traceback=traced(error))
            return 1
        # The standard library has reseeded `random` in the fork; the jitter is drawn after it.
        limit = self.orders["limit_request"] + random.randint(0, self.orders["limit_request_jitter"])  # noqa: S311
        speaks = pool is POOLS["websocket"] and self.speaker() is not None
        if order["looped"] or speaks:
            places[0][1][TURNED] = time.monotonic_ns()  # who hears that a loop is ready gives it nothing before it turns
        report(self.reports, "ready", slot=first, speaks=speaks)
        if status := body(places, limit):
            return status
        self.hooks.leave(worker)
        family.end()
        return 0

    def title(self, order: dict[str, Any]) -> str:
        """What `ps` shows of a worker."""
        return f"prefork: {order['name'].replace('.', ' ')} [{self.orders['subject']}]"


def provide(rooms: dict[str, dict[str, Any]], sessions: int, filestore: int, secret: int, database: int = -1) -> None:
    """Tell what applications import about the server's settings, before they are imported."""
    for room, descriptor in (("sessions", sessions), ("filestore", filestore)):
        rooms[room]["directory"] = given.way(rooms[room]["directory"], descriptor)
    rooms["sessions"]["secrets"] = os.pread(secret, LONGEST_SECRET, 0).split()  # by offset: the master's position is shared
    os.close(secret)
    if directory := rooms.get("store", {}).pop("directory", None):
        rooms["store"]["dsn"] += f" host='{given.way(directory, database)}'"
    given.settings.update(rooms)


def http(template: Template, order: dict[str, Any]) -> Body:
    """The body of an HTTP worker."""
    host, means = template.host, template.means()
    assert host
    if host.looped:
        return loop_body(template, order)

    def body(places: Places, limit: int) -> int:
        if template.orders["threads"]:
            return serve_in_threads(places, order["slot"], host, means, limit)
        serve(Desk(*places[0], host, means, limit, itertools.count(1)))
        return 0

    return body


def loop_body(template: Template, order: dict[str, Any]) -> Body:
    """The body of one whose application is of ASGI. What only it needs is imported here."""
    from prefork.worker.asgi.serve import prepare

    host, orders = template.host, template.orders
    assert isinstance(host, Named)
    assert host.application
    assert given.tell
    if not order["looped"]:
        raise Refused(
            f"{host.app} is an ASGI application, which shows only after its import: with preload = false set interface = asgi"
        )
    means, allowed = template.means(), orders["limit_time_real"]
    return prepare(host.application, means, template.stacks, allowed, given.tell, orders["websocket"])


def cron(template: Template, order: dict[str, Any]) -> Body:
    """The body of a cron worker."""
    assert template.source
    assert given.tell
    orders, fatal = template.orders, tuple(order["fatal"])
    identity = Identity(orders["node"], order["pool"], order["number"], os.getpid(), orders["generation"], fatal, given.tell)
    source = template.source(identity)

    def body(places: Places, limit: int) -> int:
        ((pair, slot),) = places
        Cron(Wire(pair, template.output), slot, source, template.title(order), identity.tell, limit).work()
        return 0

    return body


def websocket(template: Template, order: dict[str, Any]) -> Body:  # noqa: ARG001 - as the others
    """The body of a websocket worker. What only it needs is imported here: others are smaller without it."""
    from prefork.worker.live.serve import prepare

    assert given.tell
    orders, app = template.orders["websocket"], template.speaker()
    application = template.host.live(given.tell) if template.host else None
    return prepare(orders, template.authorize, template.output, given.tell, app, application, template.stacks)


class Pool(NamedTuple):
    """What workers of one kind are made of: their body, and how far they stand back for others.

    `nice` is that of nice(2). `idle`: they get the processor time that nobody else wants. The former alone is a small share and no
    more: a request that wakes up beside a job waits for its turn, and two requests stay on one processor while a job computes on
    another. To SCHED_IDLE (sched(7)) every other process goes first, and a processor with such a one counts as idle.
    """

    prepare: Callable[[Template, dict[str, Any]], Body]
    nice: int = 0
    idle: bool = False

    def stand_back(self) -> None:
        """Do so, with all that this process will start."""
        os.nice(self.nice)
        if self.idle:
            with contextlib.suppress(OSError):  # what confines this server forbids it: the share is what is left then
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


# Jobs show nice 19 to those who look, as Odoo's do; a crowd that connects slows down itself first.
POOLS = {"http": Pool(http), "cron": Pool(cron, nice=19, idle=True), "websocket": Pool(websocket, nice=5)}


def traced(error: BaseException) -> str | None:
    """The end of its traceback, where that says more than the sentence."""
    return None if isinstance(error, Refused) else trace(error)[-LONGEST_TRACEBACK:]


def main(descriptor: int) -> int:
    """Run the template on its channel; the first message says what to load."""
    channel, orders, descriptors = take_orders(descriptor)
    set_title(f"prefork: template g{orders['generation']} [{orders['subject']}]")
    if orders["at_terminal"]:
        leave_keys_to_master()
    os.umask(orders["umask"])
    os.chdir(orders["app_dir"])
    sys.path.insert(0, orders["app_dir"])
    sys.argv[1:] = []
    signal.signal(STACKS, signal.SIG_IGN)  # a worker may be asked before it can answer
    template = Template(channel, orders, *descriptors)
    if not template.prepare():
        return 1
    template.obey()
    return 0
