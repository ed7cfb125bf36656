"""The master: one loop, one inbox, one item at a time.

Signals, commands, and the words of dispatcher, templates and workers arrive here. Each only changes what is known or wanted; after
each `step` does what follows from that. A stop and a reload are wanted states, not loops of their own.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.config import in_vain
from prefork.control.server import Server
from prefork.events import (
    ControlUnavailable,
    FaultContained,
    Interrupted,
    NeverReady,
    Scaled,
    Starting,
    Stopping,
    ThreadedMode,
)
from prefork.master import owner, terminal
from prefork.master.autoscaler import Autoscaler
from prefork.master.burial import Burial
from prefork.master.commands import command, obey, unheard
from prefork.master.console import Console
from prefork.master.crew import Crew
from prefork.master.database import Database
from prefork.master.enforce import Enforcer
from prefork.master.front import Front
from prefork.master.fuse import Fuses
from prefork.master.guard import Guard
from prefork.master.inquest import Inquest
from prefork.master.node import name_of
from prefork.master.notify import Notifier
from prefork.master.pools import HTTP
from prefork.master.reload import Reload
from prefork.master.signals import Signals
from prefork.master.spies import Spies
from prefork.master.stacks import Inquiry
from prefork.master.staffing import Staffing
from prefork.master.status import line
from prefork.master.stop import Stop
from prefork.master.supply import supplies
from prefork.master.templates import Templates
from prefork.master.watch import Watch
from prefork.scoreboard import Scoreboard
from prefork.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import Settings
    from prefork.journal import Journal
    from prefork.master.generation import Generation
    from prefork.master.listeners import Listener

TICK = 0.25  # seconds between two looks at what takes too long
NOT_READY = 3  # the exit status of a server that was never ready


class Master:
    """Everything the server is at this moment. Workers of `generation` are wanted, as `supplies` say; `status` ends the loop."""

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        listeners: list[Listener],
        spool: int,
        kept: list[int],
        log: int,
        journal: Journal,
        console: Listener | None = None,
    ) -> None:
        self.settings = settings
        self.reread = reread
        self.listeners = listeners
        self.addresses = [listener.address for listener in listeners]
        self.node = name_of(settings.data_dir)
        self.spool = spool
        self.kept = kept
        self.log = log
        self.journal = journal
        self.owner = owner.owner_of(settings.user, settings.group)
        self.terminal = terminal.find() if settings.logfile is None else None
        self.started = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.signals = Signals()
        self.scoreboard = Scoreboard.create()
        self.trace = Trace.create(settings.trace_requests if settings.listens else 0)
        # All workers of all generations write to one socket: a datagram arrives whole or not at all.
        self.reports, self.reporting = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.fuses = Fuses(settings.cgroup, journal)
        self.staffing = Staffing(self)
        self.crew = Crew(journal, self.scoreboard, self.fuses, self.staffing.failed)
        self.supplies = supplies(settings)
        self.generation = 0
        self.templates = Templates(self)
        self.front = Front(self)
        self.watch = Watch(self)
        self.console = Console(self, console)
        self.database = Database(self)
        self.next_step = 0.0
        self.enforcer = Enforcer(self)
        self.guard = Guard(self)
        self.autoscaler = Autoscaler(self)
        self.spies = Spies(self)
        self.inquest = Inquest(self)
        self.burial = Burial(self)
        self.inquiry = Inquiry(self)
        self.reloading: Reload | None = None
        self.stopping: Stop | None = None
        self.refused = ""  # why the last reload failed, until the next one begins
        self.notifier = Notifier(os.environ, os.getpid())
        self.control: Server | None = None
        self.status: int | None = None

    # The loop.

    def run(self) -> int:
        """Serve until told to stop; returns the exit status."""
        self.journal.emit(Starting(__version__, self.settings.subject))
        if self.settings.threaded:
            self.warn_of_threads(self.settings)
        self.front.begin()
        self.hear(self.signals.inbox, self.hear_signals)
        self.hear(self.reports, self.hear_reports)
        self._open_control()
        self.fuses.open(threaded=self.settings.threaded)
        self.templates.load(self.templates.next(self.settings))
        while self.status is None:
            self.turn()
        self.fuses.close()
        if self.control:
            self.control.close()
        if self.terminal:
            self.terminal.restore()
        return self.status

    def turn(self) -> None:
        """Look after what arrives, and do what follows.

        Between two ticks of a quiet server only what workers use is looked at: all the rest would take most of the time.
        """
        now = time.monotonic()
        heard = self.selector.select(max(0.0, min(self.next_step - now, self.enforcer.wake(now))))
        for key, _ in heard:
            self._guarded(key.data)
        now = time.monotonic()
        quiet = not heard and now < self.next_step and self.state() == "running"
        if quiet and self._guarded(partial(self.enforcer.step, now)) is False:
            return
        self.next_step = now + TICK
        self._guarded(partial(self.step, now))

    def warn_of_threads(self, settings: Settings) -> None:
        """Say what threaded mode is not for."""
        self.journal.emit(ThreadedMode(settings.threads, in_vain(settings) or ("none is set",)))

    def _guarded(self, callback: Callable[[], object]) -> object:
        """Look after one thing. A fault in it, or nonsense on a wire that applications hold too, must not end the others."""
        try:
            return callback()
        except Exception:  # noqa: BLE001 - the master's end would be everybody's
            self.journal.emit(FaultContained("the master", traceback.format_exc()))
            return None

    def step(self, now: float) -> None:
        """Do what follows from what is known and wanted."""
        self.burial.step()
        if not self.stopping:
            self.database.step(now)
            self.front.step(now)
            self.templates.step(now)
            self.watch.step(now)
            self.console.step(now)
        self.spies.step(now)
        self.inquiry.step(now)
        self.enforcer.step(now)
        self.fuses.step(now, self.enforcer.hard_limits())
        self.inquest.step(now)
        self.crew.look(now)
        self.guard.step(now)
        self.autoscaler.step(now)
        self.staffing.step(now)
        if self.stopping:
            self.stopping.step(self, now)
        for helper in (*self.templates.running(), *filter(None, [self.front.process])):
            helper.channel.flush()
        # A start that has begun to fail is no longer one that merely takes long.
        lasting = self.state() != "running" and (self.staffing.complete or not self.staffing.failing())
        self.notifier.step(now, line(self), lasting=lasting, alive=self.front.turns(now))
        self.journal.flush()

    def hear(self, wire: socket.socket, callback: Callable[[], object]) -> None:
        """Have `callback` called when something arrives on a wire."""
        self.selector.register(wire, selectors.EVENT_READ, callback)

    def unhear(self, wire: socket.socket) -> None:
        """Listen to a wire no more; it may be unknown or closed already."""
        if wire.fileno() >= 0 and wire.fileno() in self.selector.get_map():
            self.selector.unregister(wire)

    # What people want.

    def state(self) -> str:
        """The server's state in a word."""
        if self.stopping:
            return "stopping"
        if self.reloading:
            return "reloading"
        return "running" if self.staffing.complete else "starting"

    def scale(self, pool: str, workers: int) -> None:
        """Want another number of a pool's workers."""
        self.supplies[pool].count = workers
        if pool == HTTP.name:
            self.autoscaler.hold()
        self.journal.emit(Scaled(pool, workers))

    def reload_code(self, answer: Callable[[dict[str, Any]], None]) -> None:
        """Read the configuration again and load the code beside the old one; `answer` hears how it ended."""
        if self.stopping:
            answer({"ok": False, "error": "the server is stopping"})
        elif not self.generation:
            answer({"ok": False, "error": "the server is still starting"})
        elif self.reloading:
            self.reloading.again.append(answer)
        else:
            Reload(answer).begin(self)

    def code_changed(self) -> None:
        """Files have changed: reload, or load for the first time what could not be loaded before."""
        if self.generation or self.stopping:
            self.reload_code(unheard)
        else:
            self.templates.start_over()

    def stop(self, cause: str) -> None:
        """Stop gracefully; a second time, at once."""
        if self.stopping:
            self.stopping.force(self, f"{cause} came again")
        else:
            self.stopping = Stop(self, Stopping(cause))

    def interrupt(self, cause: str) -> None:
        """Stop as who sits at the terminal wants it: at once in threaded mode."""
        if self.stopping or not self.settings.threaded:
            self.stop(cause)
        else:
            self.stopping = Stop(self, Interrupted(cause))
            self.stopping.give_up(self)

    def _open_control(self) -> None:
        path = self.settings.control_socket
        try:
            self.control = Server(path, self.selector, partial(command, self), self.console.visitor())
        except OSError as error:
            self.journal.emit(ControlUnavailable(str(path), error.strerror or str(error)))

    # What arrives.

    def hear_signals(self) -> None:
        """Signals have been noted."""
        for number in self.signals.take():
            obey(self, number)

    def hear_reports(self) -> None:
        """A worker reports."""
        report = json.loads(self.reports.recv(1 << 17))
        if report["kind"] == "reload":
            self.reload_code(unheard)
        else:
            self.crew.hear(report)

    def loaded(self, generation: Generation) -> None:
        """A generation can fork: the first one serves, a later one takes over."""
        if self.reloading and self.reloading.new is generation:
            self.reloading.switch(self)
        elif not self.generation:
            self.generation = generation.number

    def give_up(self, reason: str) -> None:
        """Nothing ever became ready: end, rather than try for ever what nobody has seen work."""
        self.journal.emit(NeverReady(reason))
        self.stopping = self.stopping or Stop(self, Stopping("nothing became ready"))
        self.stopping.force(self, reason, status=NOT_READY)
