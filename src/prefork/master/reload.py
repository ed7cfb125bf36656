"""A reload: the new code beside the old, a switch when it has loaded, and the way back when it does not get ready."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefork.config import ConfigurationError, restart_needed
from prefork.events import ReloadDone, ReloadFailed, ReloadStarted, RestartNeeded
from prefork.master.backoff import Backoff
from prefork.master.pools import HTTP
from prefork.master.status import line
from prefork.master.supply import counts, sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prefork.config import Settings
    from prefork.master.generation import Generation
    from prefork.master.loop import Master


UNREADABLE = "the configuration has errors"


def reread(master: Master) -> tuple[Settings, tuple[str, ...]]:
    """The settings of now, as far as they apply without a restart, and which do not. Raises ConfigurationError."""
    settings = master.reread()
    restart = restart_needed(master.settings, settings)
    if restart:
        master.journal.emit(RestartNeeded(restart))
        settings = replace(settings, **{name: getattr(master.settings, name) for name in restart})
    return settings, restart


def apply(master: Master, settings: Settings, wanted: Mapping[str, int], generation: int) -> None:
    """Want these settings, and so many workers of a generation in each pool."""
    if settings.threaded and not master.settings.threaded:
        master.warn_of_threads(settings)
    master.settings = settings
    for name, count in wanted.items():
        master.supplies[name].count = count
    master.generation = generation
    master.front.tell("options", options=master.front.options())


class Reload:
    """`answer` hears of the end; `again` collects those who asked while it ran, and get a reload of their own afterwards."""

    def __init__(self, answer: Callable[[dict[str, Any]], None]) -> None:
        self.started = time.monotonic()
        self.answers = [answer]
        self.again: list[Callable[[dict[str, Any]], None]] = []
        self.restart: tuple[str, ...] = ()
        self.switched = False
        self.new: Generation | None = None
        self.old_number = 0
        self.old_counts: dict[str, int] = {}
        self.old_settings: Settings | None = None

    def begin(self, master: Master) -> None:
        """Read the settings and start the new template; the old code goes on serving."""
        master.reloading = self
        self.old_number, self.old_counts, self.old_settings = master.generation, counts(master.supplies), master.settings
        master.refused = ""
        master.notifier.reloading(line(master))
        try:
            settings, self.restart = reread(master)
        except ConfigurationError as error:
            self.failed(master, UNREADABLE, error.sentences())
            return
        self.new = master.templates.next(settings)
        master.journal.emit(ReloadStarted(self.new.number))
        master.templates.load(self.new)

    def switch(self, master: Master) -> None:
        """The new template can fork: from now on its workers are wanted, one for each old one."""
        assert self.new
        self.switched = True
        for supply in master.supplies.values():
            supply.backoff = Backoff()  # how the old code fared says nothing about the new
        wanted = sizes(self.new.settings)
        wanted[HTTP.name] = master.autoscaler.kept(self.new.settings, wanted[HTTP.name])
        apply(master, self.new.settings, wanted, self.new.number)

    def done(self, master: Master, now: float) -> None:
        """Every worker that gets requests is of the new generation."""
        assert self.new
        master.templates.forget(self.old_number)
        master.autoscaler.let_go()
        seconds = now - self.started
        master.journal.emit(ReloadDone(self.new.number, seconds))
        said = {"ok": True, "generation": self.new.number, "seconds": round(seconds, 3), "restart_needed": list(self.restart)}
        self._end(master, said)

    def failed(self, master: Master, reason: str, traceback: str | None) -> None:
        """The new code or settings are refused: what served before the reload goes on."""
        assert self.old_settings
        if self.new:
            master.templates.forget(self.new.number)
        if self.switched:
            apply(master, self.old_settings, self.old_counts, self.old_number)
        master.journal.emit(ReloadFailed(self.old_number, reason, traceback))
        master.refused = reason
        self._end(master, {"ok": False, "error": reason, "traceback": traceback, "generation": self.old_number})

    def _end(self, master: Master, said: dict[str, Any]) -> None:
        master.reloading = None
        master.notifier.ready(line(master))
        for answer in self.answers:
            answer(said)
        if self.again and not master.stopping:
            following = Reload(self.again[0])
            following.answers = self.again
            following.begin(master)
