"""The dispatcher's process as the master sees it: started, listened to, and started again when it dies."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork.config.tree import statics
from prefork.dispatcher.options import BROWSER, Options
from prefork.events import DispatcherDied, DispatcherStuck, Listening, SocketPassed, WorkerStuck
from prefork.master.backoff import SETTLED, Backoff
from prefork.master.fleet import State
from prefork.master.gauges import task_of
from prefork.master.slumber import Slumber
from prefork.master.spawn import kill_group, start_dispatcher
from prefork.meters import clock_of, state_of
from prefork.orders import bond
from prefork.scoreboard import DISPATCHER, REQUEST, TURNED_AT

if TYPE_CHECKING:
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.master.spawn import Death, Helper

STUCK_AFTER = 10.0  # seconds; it turns four times a second, and nothing it does takes longer than a fraction of one
LATELY = 2.0  # seconds within which a loop that is well has turned
FROZEN = 5.0  # seconds without a step of our own, which come four times a second: all of the server may have been stopped
STOPPED = frozenset("Tt")  # states of a process, proc_pid_stat(5)


class Front:
    """`process` is the dispatcher while there is one, `doomed` the pid of one that was killed. A server without HTTP has none.

    While it is `held`, there is none yet and nobody listens: clients go to another node.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self.process: Helper | None = None
        self.started = 0.0
        self.doomed = 0
        self.stepped = float("inf")  # when we looked last
        self.resumed = 0.0  # when we did so after a long time
        self.held = master.settings.listen_when_ready
        self.backoff = Backoff()
        self.slumber = Slumber()

    def begin(self) -> None:
        """Have clients come in, or refuse them until a worker is ready."""
        if not self.held:
            self._open()
            return
        for listener in self.master.listeners:
            listener.hold()

    def _open(self) -> None:
        """Have clients come in, and say where."""
        for listener in self.master.listeners:
            if self.held:
                listener.open(self.master.settings.backlog)
            passed = listener.passed
            self.master.journal.emit(Listening(listener.address) if passed is None else SocketPassed(listener.address, passed))
        self.held = False

    def step(self, now: float) -> None:
        """Start the dispatcher if there is none and it may be tried again; kill one whose loop has stopped turning."""
        if now - self.stepped > FROZEN:
            self.resumed = now
        self.stepped = now
        if not self.master.settings.listens:
            return
        if self.held:
            if not any(worker.pool.fed for worker in self.master.crew.ready()):
                return
            self._open()
        if self.process is None:
            if now >= self.backoff.not_before:
                self._start(now)
            return
        if self.process.pid != self.doomed and self._late(now, STUCK_AFTER):
            self.master.journal.emit(DispatcherStuck(self.process.pid, now - self._turned()))
            self.doomed = self.process.pid
            kill_group(self.process.pid)

    def turns(self, now: float) -> bool:
        """Whether the dispatcher's loop has turned lately, if there is to be one."""
        if not self.master.settings.listens or self.held:
            return True
        return self.process is not None and self.process.pid != self.doomed and not self._late(now, LATELY)

    def processor(self) -> float | None:
        """Seconds of processor time that the dispatcher has used since its start; None while there is none."""
        try:
            return time.clock_gettime(clock_of(self.process.pid)) if self.process else None
        except OSError:  # it has just died
            return None

    def _turned(self) -> float:
        """When the dispatcher's loop last turned, or its process was started."""
        return max(self.started, self.master.scoreboard.slot(DISPATCHER)[TURNED_AT] / 1e9)

    def _late(self, now: float, patience: float) -> bool:
        """Whether the dispatcher's loop has not turned for so many seconds. Before its first turn it has to be imported."""
        turned = self._turned()
        if turned == self.started:
            patience = max(patience, self.master.settings.boot_timeout)
        return now - max(turned, self.resumed) > patience

    def tell(self, kind: str, descriptors: list[int] | None = None, **fields: Any) -> None:
        """Say something to the dispatcher; one that is yet to be started learns everything at its start."""
        if self.process:
            self.process.channel.send(kind, descriptors, **fields)

    def options(self) -> dict[str, Any]:
        """What the dispatcher needs to know of the settings, to be sent; static files of Odoo's add-ons are looked for now."""
        settings = self.master.settings
        own = {name: getattr(settings, name) for name in Options._fields if name != "addons"}
        if settings.bus:
            own["static"] = (BROWSER, *settings.static)
        return Options(**own, addons=statics(settings)).sent()

    def _start(self, now: float) -> None:
        master = self.master
        self.started, self.doomed = now, 0
        try:
            self.process = start_dispatcher(master.owner, master.log, compiled=master.settings.compiled)
        except OSError as error:
            self._failed(now, f"cannot execute {error.filename} as user {master.settings.user}: {error.strerror}")
            return
        master.hear(self.process.channel.wire, partial(self._hear, self.process))
        own = (master.scoreboard.descriptor, master.spool, master.trace.descriptor)
        descriptors = [*own, *(listener.wire.fileno() for listener in master.listeners)]
        self.tell("serve", descriptors, **bond(), log_format=master.settings.log_format, options=self.options())
        master.crew.pairs.dispatcher = self.process.channel
        for worker in master.crew.ready():
            master.crew.introduce(worker)

    def _hear(self, process: Helper) -> None:
        """The dispatcher says something, or has gone; its death is the sweep's business."""
        said, _ = process.channel.receive()
        if said is None:
            self.master.unhear(process.channel.wire)
        elif said["kind"] == "drained":
            if self.master.stopping:
                self.master.stopping.dispatcher_drained(self.master, said["unfinished"])
        elif said["kind"] == "released":
            self.master.crew.released(said["slot"], said["pid"], time.monotonic(), said.get("places", 1))
            self.master.inquest.hear(said["slot"], said["pid"], said)
        elif said["kind"] in {"condemned", "acquitted"}:
            self.master.enforcer.answered(said["pid"], said)
        else:
            worker = self.master.crew.find(said["slot"], said["pid"])
            if worker and worker.state in {State.READY, State.RETIRING}:
                self.hear_of(worker, said, time.monotonic())

    def hear_of(self, worker: Worker, said: dict[str, Any], now: float) -> None:
        """The dispatcher says something of a worker."""
        if said["kind"] == "worn":
            worker.worn = True
        elif said["kind"] == "withdrawn":
            worker.reachable.discard(said["slot"])
        elif said["kind"] == "faulty":
            self.master.enforcer.end(worker, "faulty", "it did to what it shares with the dispatcher what no worker does", now)
        elif self._is_stopped(worker) if said["kind"] == "deaf" else self._is_stuck(worker, said["place"], said["word"], now):
            reason = f"it did not begin its request within {said['seconds']:g} s"
            if self.master.enforcer.end(worker, "stuck", reason, now):
                self.master.journal.emit(WorkerStuck(worker.name, worker.pid, said["seconds"]))

    def _is_stuck(self, worker: Worker, place: int, word: int, now: float) -> bool:
        """Whether one that has not begun a request in a place, and had done there what `word` says, never will.

        It may have gone on since that was said, or lack nothing but a processor. A thread waits for the interpreter that another
        one holds, and a loop may be held up by another request, whose limits count.
        """
        if worker.threads or self.master.scoreboard.slot(place)[REQUEST] != word:
            return False
        if self._is_stopped(worker):
            return True
        if worker.looped and any(task_of(self.master.scoreboard.slot(slot)) for slot in worker.slots):
            return False
        return self.slumber.found(place, worker.pid, word, now)

    def _is_stopped(self, worker: Worker) -> bool:
        """Whether one whose event loop does not turn has been stopped; it may only be in one long step of the application's."""
        return state_of(worker.pid) in STOPPED

    def died(self, process: Helper, death: Death) -> None:
        """It is dead: its workers finish and leave, and both are started again."""
        now = time.monotonic()
        kill_group(death.pid)
        process.buried(death.code)
        self.master.unhear(process.channel.wire)
        process.channel.close()
        self.process = None
        self.master.crew.dispatcher_lost(now)
        if self.master.stopping:
            self.master.stopping.dispatcher_drained(self.master, 0)
            return
        self.master.journal.emit(DispatcherDied(death.pid, death.how()))
        if now - self.started > SETTLED:
            self.backoff = Backoff()
        self._failed(now, f"it died at its start: {death.how()}")

    def _failed(self, now: float, reason: str) -> None:
        self.backoff.failed(now)
        if not self.master.staffing.complete and self.backoff.hopeless:
            self.master.give_up(f"the dispatcher could not be started: {reason}")
