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
from functools import partial
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.control.server import Server
from prefork.dispatcher.options import Options
from prefork.events import (
    ControlUnavailable,
    CrashLoop,
    DispatcherDied,
    Listening,
    NeverReady,
    PreloadUnsafe,
    Scaled,
    ServerReady,
    Starting,
    StrangerReaped,
    TemplateFailed,
    TemplateLoaded,
    WorkerStuck,
)
from prefork.master import owner
from prefork.master.backoff import SETTLED, Backoff
from prefork.master.commands import command, obey
from prefork.master.crew import Crew
from prefork.master.fleet import Fork, Retire, State, Wanted, plan
from prefork.master.generation import Generation
from prefork.master.listeners import url
from prefork.master.reload import Reload
from prefork.master.signals import Signals
from prefork.master.spawn import deaths, kill_group, start_dispatcher, state_of
from prefork.master.stop import Stop
from prefork.scoreboard import Scoreboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import Settings
    from prefork.journal import Journal
    from prefork.master.fleet import Worker
    from prefork.master.spawn import Death, Helper

TICK = 0.25  # seconds between two looks at what takes too long
STACKS_WITHIN = 0.1  # seconds for a worker to write its stacks
HOPELESS = 3  # failed starts in a row after which a server that was never ready gives up
NOT_READY = 3  # the exit status then


class Master:
    """Everything the server is at this moment. `count` workers of `generation` are wanted; `status` ends the loop."""

    def __init__(
        self, settings: Settings, reread: Callable[[], Settings], listeners: list[socket.socket], log: int, journal: Journal
    ) -> None:
        self.settings = settings
        self.reread = reread
        self.listeners = listeners
        self.addresses = [url(listener) for listener in listeners]
        self.log = log
        self.journal = journal
        self.owner = owner.owner_of(settings.user, settings.group)
        self.started = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.signals = Signals()
        self.scoreboard = Scoreboard.create()
        # All workers of all generations write to one socket: a datagram arrives whole or not at all.
        self.reports, self.reporting = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.crew = Crew(journal, self.scoreboard, self.worker_failed)
        self.count = settings.workers if settings.http_enable else 0
        self.numbered = 0
        self.generation = 0
        self.generations: dict[int, Generation] = {}
        self.leaving: dict[int, Helper] = {}  # templates that have been dismissed, by pid
        self.dispatcher: Helper | None = None
        self.dispatcher_started = 0.0
        self.dispatcher_backoff = Backoff()
        self.backoff = Backoff()
        self.complete = False  # all wanted workers have been ready once
        self.sweeping = False  # children have ended and are not buried yet
        self.stacks_at = float("inf")  # when stacks that were asked for go to the log
        self.reloading: Reload | None = None
        self.stopping: Stop | None = None
        self.control: Server | None = None
        self.status: int | None = None

    # The loop.

    def run(self) -> int:
        """Serve until told to stop; returns the exit status."""
        self.journal.emit(Starting(__version__, self.settings.app or "nothing"))
        for address in self.addresses:
            self.journal.emit(Listening(address))
        self._hear(self.signals.inbox, self.hear_signals)
        self._hear(self.reports, self.hear_reports)
        self._open_control()
        self.load(self.next_generation(self.settings))
        while self.status is None:
            for key, _ in self.selector.select(TICK):
                key.data()
            self.step(time.monotonic())
        if self.control:
            self.control.close()
        return self.status

    def step(self, now: float) -> None:
        """Do what follows from what is known and wanted."""
        if self.sweeping:
            self.sweep()
        if self.dispatcher is None and now >= self.dispatcher_backoff.not_before and not self.stopping:
            self._start_dispatcher(now)
        for generation in self.generations.values():
            if generation.template and generation.late(now):
                kill_group(generation.template.pid)
        if now >= self.stacks_at:
            self.stacks_at = float("inf")
            self.crew.log_stacks()
        self.crew.look()
        for worker in self.crew.ready():
            self.backoff.lives(worker.born, worker.since, now)
        for action in plan(self.crew.all(), self._wanted(), now):
            if isinstance(action, Fork):
                self._fork(now)
            elif isinstance(action, Retire):
                self.crew.retire(action.worker, action.reason, now)
            else:
                self.crew.kill(action.worker, action.reason, now)
        self._note_completeness(now)
        if self.stopping:
            self.stopping.step(self, now)
        for helper in self._helpers():
            helper.channel.flush()
        self.journal.flush()

    def _wanted(self) -> Wanted:
        leaving = self.stopping is not None and self.stopping.drained
        return Wanted(0 if leaving else self.count, self.generation, self.settings.boot_timeout, self.backoff.not_before)

    def _fork(self, now: float) -> None:
        generation = self.generations.get(self.generation)
        if generation and generation.loaded:
            self.crew.fork(generation, now)

    def _note_completeness(self, now: float) -> None:
        ready = self.crew.ready()
        new = [worker for worker in ready if worker.generation == self.generation]
        if not self.generation or len(new) < self.count:
            return
        if not self.complete:
            self.complete = True
            self.journal.emit(ServerReady(now - self.started, len(new)))
        hidden = any(worker.state is State.RETIRING and not worker.withdrawn for worker in self.crew.all())
        if self.reloading and self.reloading.switched and len(new) == len(ready) and not hidden:
            self.reloading.done(self, now)

    def _helpers(self) -> list[Helper]:
        templates = [generation.template for generation in self.generations.values()]
        return [helper for helper in (self.dispatcher, *templates) if helper]

    def _hear(self, wire: socket.socket, callback: Callable[[], object]) -> None:
        self.selector.register(wire, selectors.EVENT_READ, callback)

    def _unhear(self, helper: Helper) -> None:
        if helper.channel.wire in {key.fileobj for key in self.selector.get_map().values()}:
            self.selector.unregister(helper.channel.wire)

    # What people want.

    def state(self) -> str:
        """The server's state in a word."""
        if self.stopping:
            return "stopping"
        if self.reloading:
            return "reloading"
        return "running" if self.complete else "starting"

    def scale(self, workers: int) -> None:
        """Want another number of HTTP workers."""
        self.count = workers
        self.journal.emit(Scaled(workers))

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

    def stop(self, cause: str) -> None:
        """Stop gracefully; a second time, at once."""
        if self.stopping:
            self.stopping.force(self, f"{cause} came again")
        else:
            self.stopping = Stop(self, cause)

    def write_stacks(self) -> None:
        """Have the stacks of every worker in the log, as soon as they have had the time to write them."""
        self.crew.ask_for_stacks()
        self.stacks_at = time.monotonic() + STACKS_WITHIN

    def reopen_log(self) -> None:
        """Open the log file again, after its rotation; workers write to the new one from the next reload on."""
        if self.settings.logfile is None:
            return
        new = owner.open_log(self.settings.logfile)
        if self.dispatcher:
            self.dispatcher.channel.send("log", [new])
        self.log = new
        self.journal.sink.replace(new, keep=True)

    def _open_control(self) -> None:
        path = self.settings.control_socket
        try:
            self.control = Server(path, self.selector, partial(command, self))
        except OSError as error:
            self.journal.emit(ControlUnavailable(str(path), error.strerror or str(error)))

    # What arrives.

    def hear_signals(self) -> None:
        """Signals have been noted."""
        for number in self.signals.take():
            obey(self, number)

    def hear_reports(self) -> None:
        """A worker reports."""
        self.crew.hear(json.loads(self.reports.recv(1 << 17)))

    def children_ended(self) -> None:
        """There is something to reap."""
        self.sweeping = True

    def sweep(self) -> None:
        """Bury every child that has ended."""
        for death in deaths():
            worker = next((worker for worker in self.crew.all() if worker.pid == death.pid), None)
            generation = next((g for g in self.generations.values() if g.template and g.template.pid == death.pid), None)
            if worker:
                self.crew.bury(worker, death, settled=time.monotonic() - worker.since > SETTLED)
            elif generation:
                self._template_died(generation, death)
            elif self.dispatcher and self.dispatcher.pid == death.pid:
                self._dispatcher_died(self.dispatcher, death)
            elif death.pid in self.leaving:
                self.leaving.pop(death.pid).buried(death.code)
            elif self.crew.forking():
                return  # it may be the worker whose pid is about to be told: swept again in the next step
            else:
                self.journal.emit(StrangerReaped(death.pid, death.how()))
        self.sweeping = False

    def worker_failed(self, worker: Worker, said: str | None) -> None:
        """A worker could not get ready, or died as soon as it was."""
        if self.reloading and self.reloading.switched and worker.generation == self.generation:
            self.reloading.failed(self, f"worker {worker.name} of generation {worker.generation} could not get ready", said)
            return
        now = time.monotonic()
        delay = self.backoff.failed(now, said)
        if delay:
            self.journal.emit(CrashLoop(self.backoff.failures, delay, self.backoff.first))
        timed_out = now - worker.born > self.settings.boot_timeout
        if not self.complete and not self.crew.ready() and (self.backoff.failures >= HOPELESS or timed_out):
            self.give_up("no worker could get ready")

    def give_up(self, reason: str) -> None:
        """Nothing ever became ready: end, rather than try for ever what nobody has seen work."""
        self.journal.emit(NeverReady(reason))
        self.stopping = self.stopping or Stop(self, "nothing became ready")
        self.stopping.force(self, reason, status=NOT_READY)

    # The dispatcher.

    def _start_dispatcher(self, now: float) -> None:
        self.dispatcher_started = now
        self.dispatcher = start_dispatcher(self.owner, self.log)
        descriptors = [self.scoreboard.descriptor, *(listener.fileno() for listener in self.listeners)]
        options = Options.of(self.settings).sent()
        channel = self.crew.dispatcher = self.dispatcher.channel
        channel.send("serve", descriptors, master=os.getpid(), log_format=self.settings.log_format, options=options)
        self._hear(channel.wire, partial(self.hear_dispatcher, self.dispatcher))
        for worker in self.crew.ready():
            self.crew.introduce(worker)

    def hear_dispatcher(self, dispatcher: Helper) -> None:
        """The dispatcher says something, or has gone; its death is the sweep's business."""
        said, _ = dispatcher.channel.receive()
        if said is None:
            self._unhear(dispatcher)
            return
        now = time.monotonic()
        if said["kind"] == "drained":
            if self.stopping:
                self.stopping.dispatcher_drained(self, said["unfinished"])
            return
        if said["kind"] == "released":
            self.crew.released(said["slot"], said["pid"], now)
            return
        worker = self.crew.find(said["slot"], said["pid"])
        if worker is None or worker.state not in {State.READY, State.RETIRING}:
            return
        if said["kind"] == "worn":
            worker.worn = True
        elif said["kind"] == "withdrawn":
            worker.withdrawn = True
        elif said["kind"] == "faulty":
            self.crew.kill(worker, "it wrote to its pair what no worker writes", now)
        elif state_of(worker.pid) != "R":  # "stuck"; one that runs has only not got the processor yet
            self.journal.emit(WorkerStuck(worker.name, worker.pid, said["seconds"]))
            self.crew.kill(worker, "stuck", now)

    def _dispatcher_died(self, dispatcher: Helper, death: Death) -> None:
        now = time.monotonic()
        kill_group(death.pid)
        dispatcher.buried(death.code)
        self._unhear(dispatcher)
        dispatcher.channel.close()
        self.dispatcher = None
        self.crew.dispatcher_lost(now)
        if self.stopping:
            self.stopping.dispatcher_drained(self, 0)
            return
        self.journal.emit(DispatcherDied(death.pid, death.how()))
        if now - self.dispatcher_started > SETTLED:
            self.dispatcher_backoff = Backoff()
        self.dispatcher_backoff.failed(now)
        if not self.complete and self.dispatcher_backoff.failures >= HOPELESS:
            self.give_up("the dispatcher could not be started")

    # Templates.

    def next_generation(self, settings: Settings) -> Generation:
        """A generation with a number of its own."""
        self.numbered += 1
        return Generation(self.numbered, settings)

    def load(self, generation: Generation) -> None:
        """Start a generation's template."""
        self.generations[generation.number] = generation
        try:
            template = generation.start(self.owner, self.log, self.scoreboard.descriptor, self.reporting.fileno())
        except OSError as error:
            python = generation.settings.python
            self._load_failed(generation, f"cannot execute {python}: {error.strerror} (option python)", None)
            return
        self._hear(template.channel.wire, partial(self.hear_template, generation, template))

    def hear_template(self, generation: Generation, template: Helper) -> bool:
        """A template says something (True), or has gone; its death is the sweep's business."""
        said, _ = template.channel.receive()
        if said is None:
            self._unhear(template)
        elif said["kind"] == "forked":
            self.crew.forked(said["slot"], said["pid"], time.monotonic())
        elif said["kind"] == "loaded":
            self._loaded(generation, said)
        else:
            self._load_failed(generation, said["reason"], said["traceback"])
        return said is not None

    def _loaded(self, generation: Generation, said: dict[str, Any]) -> None:
        threads, sockets = tuple(said["threads"]), tuple(said["sockets"])
        if generation.preload != "false" and (threads or sockets):
            again = generation.preload == "auto"
            fallback = (
                "each worker imports it by itself (preload = auto)" if again else "it is forked all the same (preload = true)"
            )
            self.journal.emit(PreloadUnsafe(generation.number, threads, sockets, fallback))
            if again:
                self.dismiss(generation)
                generation.preload = "false"
                self.load(generation)
                return
        self.journal.emit(TemplateLoaded(generation.number, said["seconds"], said["preloaded"]))
        generation.loaded = True
        if self.reloading and self.reloading.new is generation:
            self.reloading.switch(self)
        elif not self.generation:
            self.generation = generation.number

    def _load_failed(self, generation: Generation, reason: str, traceback: str | None) -> None:
        self.dismiss(generation)
        if self.reloading and self.reloading.new is generation:
            self.reloading.failed(self, reason, traceback)
            return
        self.journal.emit(TemplateFailed(generation.number, reason, traceback))
        if not self.complete:
            self.give_up("the application could not be loaded")
            return
        # The code on disk has become unloadable since the start: the workers that live go on, without replacement.
        delay = self.backoff.failed(time.monotonic(), traceback or reason)
        self.journal.emit(CrashLoop(self.backoff.failures, delay, self.backoff.first))

    def dismiss(self, generation: Generation) -> None:
        """Have a generation's template leave."""
        template, generation.template = generation.template, None
        generation.loaded = False
        self.crew.unforked(generation.number)
        if template:
            self._unhear(template)
            template.channel.close()
            self.leaving[template.pid] = template

    def _template_died(self, generation: Generation, death: Death) -> None:
        template = generation.template
        assert template
        kill_group(death.pid)
        while generation.template is template and self.hear_template(generation, template):
            pass  # what it still said, to the end of the wire
        if generation.template is not template:  # it said why, and has been dismissed for it
            self.leaving.pop(death.pid).buried(death.code)
            return
        template.buried(death.code)
        was_loaded = generation.loaded
        self.dismiss(generation)
        self.leaving.pop(template.pid)
        if self.stopping:
            return
        if was_loaded:
            self.journal.emit(TemplateFailed(generation.number, f"it died ({death.how()}) and is started again", None))
            self.load(generation)
        else:
            late = time.monotonic() - generation.started > generation.settings.boot_timeout
            reason = "the import took longer than boot_timeout" if late else f"it ended while loading: {death.how()}"
            self._load_failed(generation, f"{reason}; see the lines above", None)
