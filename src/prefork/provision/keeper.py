"""Looks after the instances that the console runs: what is to run and does not is started, later each time. Never waits.

Instances do not need it: they outlive it, and it finds them again. How they go is in the console's file; while that takes nothing,
as on a disk that is full, it is remembered here, and nobody is left without a server for that.
"""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING

from prefork.events import InstanceDied, InstanceFound, InstanceStarted, InstanceUnstarted, WatchFailed
from prefork.instances import provisions
from prefork.instances.changes import RUNNING
from prefork.instances.database import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.events import Event
    from prefork.instances.provisions import Provision
    from prefork.provision.premises import Premises

PACE, SLOW = 1.0, 10.0  # seconds between two looks; where somebody else starts again what ends
FIRST, CAP = 1.0, 300.0  # seconds before the next start
SETTLED = 60.0  # seconds of life after which an end is the first one again


class Keeper:
    """`say` takes events, from its thread. It does nothing before `start`."""

    def __init__(self, premises: Premises, say: Callable[[Event], None], clock: Callable[[], float] = time.time) -> None:
        self.premises, self.say, self.clock = premises, say, clock
        self._seen: set[str] = set()
        self._faults: set[str] = set()
        self._unwritten: dict[str, Provision] = {}  # how they go, as far as the file does not have it
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; instances go on."""
        self._end.set()
        self._thread.join()

    def _repeat(self) -> None:
        pace = PACE if self.premises.runner.revives_after is None else SLOW
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may find the instances all the same
                self._confess(error)
            if self._end.wait(pace):
                return

    def _confess(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if reason not in self._faults:
            self._faults.add(reason)
            self.say(WatchFailed("all instances", reason, traceback.format_exc()))

    def look(self) -> None:
        """Look at each instance that is to run and with which nothing is being done."""
        for found in provisions.listed(self.premises.db):
            with self.premises.lock:
                provision = provisions.find(self.premises.db, found.instance)
                if provision and provision.wanted == RUNNING and not provisions.busy(self.premises.db, found.instance):
                    self._attend(self._course(provision))
                else:
                    self._unwritten.pop(found.instance, None)  # whoever does something with it notes how it goes

    def _course(self, row: Provision) -> Provision:
        """How an instance goes, which its row may not have yet."""
        kept = self._unwritten.get(row.instance)
        return self._keep(kept._replace(wish=row.wish, given=row.given, wanted=row.wanted)) if kept else row

    def _keep(self, course: Provision) -> Provision:
        try:
            provisions.note(self.premises.db, course)
            self._unwritten.pop(course.instance, None)
        except Unusable as error:
            self._unwritten[course.instance] = course
            self._confess(error)
        return course

    def _attend(self, provision: Provision) -> None:
        try:
            process = self.premises.process(provision)
            if process is None:
                self._miss(provision)
                return
        except OSError as error:
            if self._due(provision):
                self._fail(provision, str(error))
            return
        known = (provision.pid, provision.began) == process
        if not known and provision.pid is not None:
            provision = self._end_of(provision)
        if not known or provision.instance not in self._seen:
            self._seen.add(provision.instance)
            self._keep(provision._replace(pid=process.pid, began=process.began))
            self.say(InstanceFound(provision.instance, process.pid))
        elif provision.failures and abs(self.clock() - (provision.ended_at or 0)) > SETTLED + pause(provision.failures):
            self._keep(provision._replace(failures=0))

    def _miss(self, provision: Provision) -> None:
        """It is not there: that is noted first, and when its time has come it is started."""
        if provision.pid is not None:
            self._end_of(provision)
        elif self._due(provision):
            self._start(provision)

    def _due(self, provision: Provision) -> bool:
        """Whether its next start is due. A time that is further away than any pause is from before the clock was set back."""
        return not 0 < provision.retry_at - self.clock() <= CAP

    def _start(self, provision: Provision) -> None:
        place, runner = self.premises.place(provision.instance), self.premises.runner
        try:
            runner.start(provision.instance, place)
            process = runner.process(provision.instance, place, None)
        except OSError as error:
            self._fail(provision, str(error))
            return
        if process:
            self._seen.add(provision.instance)
            self._keep(provision._replace(pid=process.pid, began=process.began))
            self.say(InstanceStarted(provision.instance, process.pid))
        elif runner.revives_after is None:
            self._fail(provision, f"it has ended at once: {runner.how(provision.instance)}")

    def _end_of(self, provision: Provision) -> Provision:
        runner = self.premises.runner
        how, delay = runner.how(provision.instance), runner.revives_after or pause(provision.failures + 1)
        kept = self._ended(provision, how, delay)
        self.say(InstanceDied(provision.instance, how, delay))
        return kept

    def _fail(self, provision: Provision, reason: str) -> None:
        delay = pause(provision.failures + 1)
        self._ended(provision, reason, delay)
        self.say(InstanceUnstarted(provision.instance, reason, delay))

    def _ended(self, provision: Provision, how: str, delay: float) -> Provision:
        """It has ended although it is to run, and is started again after so many seconds."""
        now, failures = self.clock(), provision.failures + 1
        gone = provision._replace(pid=None, began=None, ended_at=now, ended_how=how)
        return self._keep(gone._replace(failures=failures, retry_at=now + delay))


def pause(failures: int) -> float:
    """Seconds before the next start after so many failures."""
    return min(CAP, FIRST * 2.0 ** min(failures - 1, 20))
