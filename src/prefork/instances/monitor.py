"""Watches all instances on this machine, in threads of the console: one samples, one has each judged and told of in a thread of its
own, one writes the log.

Samples are taken of all servers in the same half second, so that their number costs no time. A fault in one watch is logged and
ends nothing, and who waits for a database or a receiver holds up no other.
"""

from __future__ import annotations

import threading
import time
import traceback
from queue import SimpleQueue
from typing import TYPE_CHECKING

from prefork.events import ClockSet, WatchFailed
from prefork.instances import clock, history, registry
from prefork.instances.clock import Clock
from prefork.instances.retention import tidy
from prefork.instances.watch import Watch
from prefork.usage.sampler import PACE
from prefork.usage.window import WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prefork.events import Event
    from prefork.instances.database import Database
    from prefork.journal import Journal
    from prefork.usage.reading import Mark
    from prefork.usage.sample import Sample

INQUIRY = 60.0  # seconds from one question to a database to the next
TIDYING = 600.0  # seconds from one tidying up to the next


class Monitor:
    """`watches` are those of the instances that the database knows, by id. It does nothing before `start`."""

    def __init__(self, db: Database, watched: Clock | None = None) -> None:
        self.db = db
        self.clock = watched or Clock(known=clock.recall(db))
        self._since: float | None = None  # as the file has it
        self.watches: dict[str, Watch] = {}
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []
        self._said: SimpleQueue[Event | None] = SimpleQueue()  # None is its end
        self._faults: set[tuple[str, str]] = set()
        self._attended: dict[str, threading.Thread] = {}  # by instance, while that is being judged and told of
        self._inquired = self._tidied = float("-inf")

    def start(self, journal: Journal) -> None:
        """Begin to watch. The journal is written from one thread only, a third one."""
        turns = (self.measure, lambda: self.attend(time.monotonic()))
        self._threads = [threading.Thread(target=self._repeat, args=(turn,), daemon=True) for turn in turns]
        self._threads.append(threading.Thread(target=self._write, args=(journal,), daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._end.set()
        *turns, writer = self._threads
        for thread in turns:
            thread.join()
        self._said.put(None)
        writer.join()

    def say(self, event: Event) -> None:
        """Have something written to the journal, from any thread."""
        self._said.put(event)

    def _repeat(self, turn: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._end.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + PACE
            self._guard("all instances", turn)

    def _write(self, journal: Journal) -> None:
        while event := self._said.get():
            journal.emit(event)

    def _guard(self, name: str, act: Callable[[], Iterable[Event] | None]) -> None:
        """Do something of which a fault ends nothing; it is said once."""
        try:
            for event in act() or ():
                self._said.put(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other instances are watched on
            reason = f"{type(error).__name__}: {error}"
            if (name, reason) not in self._faults:
                self._faults.add((name, reason))
                self._said.put(WatchFailed(name, reason, traceback.format_exc()))

    # One turn of each thread.

    def measure(self) -> None:
        """Take a sample of every instance. Takes half a second."""
        self.enlist()
        watches = list(self.watches.values())
        for watch in watches:
            self._guard(watch.instance, watch.open)
        self._end.wait(WINDOW)
        for watch in watches:
            self._guard(watch.instance, watch.close)

    def attend(self, now: float) -> None:
        """Judge every instance, deliver what waits, tidy up; `now` is in monotonic seconds. Who takes longer than a turn is left to
        itself until it is done.
        """
        inquire = now - self._inquired >= INQUIRY
        if inquire:
            self._inquired = now
        for watch in list(self.watches.values()):
            if watch.instance not in self._attended:
                thread = threading.Thread(target=self._look_after, args=(watch, inquire), name="attend", daemon=True)
                self._attended[watch.instance] = thread
                thread.start()
        until = time.monotonic() + PACE
        for instance, thread in list(self._attended.items()):
            thread.join(max(0.0, until - time.monotonic()))
            if not thread.is_alive():
                del self._attended[instance]
        if by := self.clock.look():
            self.say(ClockSet(by))
        if self.clock.course.since != self._since:
            clock.keep(self.db, self.clock.course)
            self._since = self.clock.course.since
        if self.clock.steady() and now - self._tidied >= TIDYING:
            self._tidied = now
            tidy(self.db, self.clock.wall())

    def _look_after(self, watch: Watch, inquire: bool) -> None:
        """One instance, in a thread of its own: its database or its receiver may take as long as they like."""
        if inquire or watch.settings is None:
            self._guard(watch.instance, watch.inquire)
        self._guard(watch.instance, watch.judge)
        self._guard(watch.instance, watch.deliver)

    def enlist(self) -> None:
        """Watch the instances that there are now."""
        known = {each.id: each for each in registry.listed(self.db) if each.directory}
        for gone in self.watches.keys() - known.keys():
            del self.watches[gone]
        for instance in known.values():
            watch = self.watches.get(instance.id)
            if watch is None or watch.local.directory != instance.directory:
                assert instance.directory
                self.watches[instance.id] = Watch(self.db, instance.id, instance.name, instance.directory)
            else:
                watch.name = instance.name

    # What pages and the API ask.

    def live(self, instance: str) -> list[Sample]:
        """The samples of the last hour, ten seconds each."""
        watch = self.watches.get(instance)
        return list(watch.sampler.live) if watch else []

    def chart(self, instance: str, span: str, resolution: float | None = None) -> tuple[list[Sample], list[Mark], float]:
        """Points and marks of one of `history.RANGES`, and how far points are apart in seconds; those of the last hour are the
        live ones, unless another resolution is wanted.
        """
        back, usual = history.RANGES[span]
        end = time.time()
        begin, apart = end - back, resolution or usual
        marks = history.marks(self.db, instance, begin, end)
        live = self.live(instance) if span == "1h" and resolution is None else []
        if live:
            return [*history.series(self.db, instance, begin, live[0].at, apart), *live], marks, PACE
        return history.series(self.db, instance, begin, end, apart), marks, apart
