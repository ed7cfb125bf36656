"""The templates: one for the generation that serves, another one during a reload, and those on their way out."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config import ConfigurationError
from prefork.config.reserves import overbooked
from prefork.events import ChangeAwaited, CrashLoop, PreloadUnsafe, TemplateFailed, TemplateLoaded
from prefork.master.backoff import Backoff
from prefork.master.descriptors import lacking
from prefork.master.generation import Generation
from prefork.master.reload import UNREADABLE, apply, reread
from prefork.master.spawn import kill_group
from prefork.master.supply import sizes
from prefork.messages import CLOEXEC, CLOEXEC_DONTWAIT

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master
    from prefork.master.spawn import Death, Helper


LEAVE_WITHIN = 10.0  # seconds for exit functions of the application, and for threads of its that Python waits for


class Leaver(NamedTuple):
    """A template that was dismissed, and when it is killed."""

    helper: Helper
    until: float


class Templates:
    """`generations` by number, `leaving` (dismissed templates) by pid; `backoff` is for loadings that fail while workers serve."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.numbered = 0
        self.generations: dict[int, Generation] = {}
        self.leaving: dict[int, Leaver] = {}
        self.backoff = Backoff()

    def next(self, settings: Settings) -> Generation:
        """A generation with a number of its own."""
        self.numbered += 1
        return Generation(self.numbered, settings, self.master.node)

    def running(self) -> list[Helper]:
        """The processes that take orders."""
        return [generation.template for generation in self.generations.values() if generation.template]

    def of(self, pid: int) -> Generation | None:
        """The generation whose template has this pid."""
        return next((g for g in self.generations.values() if g.template and g.template.pid == pid), None)

    def load(self, generation: Generation) -> None:
        """Start a generation's template."""
        master = self.master
        self.generations[generation.number] = generation
        try:
            kept = [*master.kept, *master.database.descriptors(generation.settings)]
            descriptors = [master.scoreboard.descriptor, master.reporting.fileno(), master.spool, *kept]
            at_terminal = generation.threads > 0 and master.terminal is not None
            template = generation.start(master.owner, master.log, descriptors, at_terminal=at_terminal)
        except OSError as error:
            python = generation.settings.python
            self._failed(generation, f"cannot execute {python}: {error.strerror} (option python)", None)
            return
        master.hear(template.channel.wire, partial(self._hear, generation, template))

    def step(self, now: float) -> None:
        """Kill templates that take too long, their death says why; try again what failed while its workers serve."""
        for pid, leaver in self.leaving.items():
            if now > leaver.until:
                kill_group(pid)
        for generation in list(self.generations.values()):
            if generation.template and (generation.late(now) or self._owed(generation, now)):
                kill_group(generation.template.pid)
            elif generation.template is None and generation.number == self.master.generation and now >= self.backoff.not_before:
                self.load(generation)

    def _owed(self, generation: Generation, now: float) -> Worker | None:
        """A worker that takes too long to be forked: the template was stopped, or what the application does at a fork hangs."""
        return self.master.crew.unanswered(generation.number, now - generation.settings.boot_timeout)

    def end(self) -> None:
        """Kill all of them, in a stop that waits for nothing; who has been forked finds out."""
        for template in self.running():
            kill_group(template.pid)

    def start_over(self) -> None:
        """Nothing has ever loaded: forget it, and load what is on the disk now, with the settings of now."""
        try:
            settings, _ = reread(self.master)
        except ConfigurationError as error:
            self.master.journal.emit(TemplateFailed(self.numbered, UNREADABLE, error.sentences()))
            return
        apply(self.master, settings, sizes(settings), 0)
        for generation in list(self.generations.values()):
            if generation.template:
                kill_group(generation.template.pid)  # it would only notice after its import
            self.forget(generation.number)
        self.load(self.next(settings))

    def dismiss(self, generation: Generation) -> None:
        """Have a generation's template leave."""
        template, generation.template = generation.template, None
        generation.loaded = False
        self.master.crew.unforked(generation.number)
        if template:
            self.master.unhear(template.channel.wire)
            template.channel.close()
            self.leaving[template.pid] = Leaver(template, time.monotonic() + LEAVE_WITHIN)

    def forget(self, number: int) -> None:
        """Dismiss a generation for good."""
        self.dismiss(self.generations.pop(number))

    def _hear(self, generation: Generation, template: Helper, flags: int = CLOEXEC) -> bool:
        """A template says something (True), or has gone; its death is the sweep's business."""
        said, _ = template.channel.receive(flags)
        if said is None:
            self.master.unhear(template.channel.wire)
        elif said["kind"] == "forked":
            # An application's code is in there, which may say anything.
            pid = said["pid"] if self.master.burial.is_unknown(said["pid"]) else 0
            self.master.crew.forked(said["slot"], pid, time.monotonic())
        elif said["kind"] == "loaded":
            self._loaded(generation, said)
        else:
            self._failed(generation, said["reason"], said["traceback"])
        return said is not None

    def _loaded(self, generation: Generation, said: dict[str, Any]) -> None:
        journal, threads, sockets = self.master.journal, tuple(said["threads"]), tuple(said["sockets"])
        generation.looped = said["interface"] == "asgi" or generation.looped
        generation.reads = said["reads"]
        if generation.preload != "false" and (threads or sockets):
            again = generation.preload == "auto"
            means = "each worker imports it by itself" if again else "workers are forked all the same"
            journal.emit(PreloadUnsafe(generation.number, threads, sockets, f"{means} (preload = {generation.preload})"))
            if again:
                self.dismiss(generation)
                generation.preload = "false"
                self.load(generation)
                return
        if reason := lacking(generation.settings, looped=generation.looped):
            self._failed(generation, f"too few files for the server: {reason}", None)
            return
        if reason := overbooked(generation.settings, looped=generation.looped):
            self._failed(generation, reason, None)
            return
        journal.emit(TemplateLoaded(generation.number, said["seconds"], said["preloaded"], said["interface"]))
        generation.loaded = True
        self.backoff = Backoff()
        self.master.loaded(generation)

    def _failed(self, generation: Generation, reason: str, traceback: str | None) -> None:
        master = self.master
        master.inquest.note_loading(generation, generation.template.pid if generation.template else 0, reason, traceback)
        self.dismiss(generation)
        if master.reloading and master.reloading.new is generation:
            master.reloading.failed(master, reason, traceback)
            return
        master.journal.emit(TemplateFailed(generation.number, reason, traceback))
        if not master.staffing.complete and not generation.settings.dev:
            master.give_up("the application could not be loaded")
            return
        if not master.generation:
            master.journal.emit(ChangeAwaited(str(generation.settings.app_dir)))
            return
        delay = self.backoff.failed(time.monotonic(), traceback or reason)
        master.journal.emit(CrashLoop(self.backoff.failures, delay, self.backoff.first))

    def died(self, generation: Generation, death: Death) -> None:
        """A template is dead that was not told to leave."""
        template = generation.template
        assert template
        kill_group(death.pid)
        with suppress(BlockingIOError):  # a process that the application has left behind holds the wire's other end
            while generation.template is template and self._hear(generation, template, CLOEXEC_DONTWAIT):
                pass  # what it still said
        if generation.template is template:
            self._bereaved(generation, death)
        else:  # it said why, and has been dismissed for it
            self.buried(death)

    def buried(self, death: Death) -> None:
        """A dismissed template has left."""
        self.leaving.pop(death.pid).helper.buried(death.code)

    def _bereaved(self, generation: Generation, death: Death) -> None:
        was_loaded = generation.loaded
        owed = self._owed(generation, time.monotonic())
        ordered = self.master.crew.unanswered(generation.number, float("inf"))
        self.dismiss(generation)
        self.buried(death)
        if self.master.stopping:
            return
        if was_loaded:
            reason = "it did not fork a worker within boot_timeout" if owed else f"it died ({death.how()})"
            self.master.journal.emit(TemplateFailed(generation.number, f"{reason} and is started again", None))
            self.load(generation)
            if ordered:  # what the application does at a fork may be what it died of, and of the next one dies
                self.master.staffing.failed(ordered, reason)
        else:
            late = time.monotonic() - generation.started > generation.settings.boot_timeout
            reason = "the import took longer than boot_timeout" if late else f"it ended while loading: {death.how()}"
            self._failed(generation, f"{reason}; see the lines above", None)
