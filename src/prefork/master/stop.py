"""A stop: the dispatcher drains and its workers leave, others leave when they have finished; then templates and dispatcher.

Whatever does not leave in time is killed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefork.events import StopForced, StopIncomplete, Stopped
from prefork.master.fleet import State
from prefork.master.pools import HTTP, LIVE
from prefork.master.spawn import kill_group, strangers

if TYPE_CHECKING:
    from prefork.events import Interrupted, Stopping
    from prefork.master.fleet import Worker
    from prefork.master.loop import Master

FAREWELL = 15.0  # seconds beyond websocket_farewell: what clients have to answer their close frames, applications to end, and more
PATIENCE = 2.0  # seconds beyond the agreed time before the dispatcher counts as stuck


class Stop:
    """`drained`: no request is left, so that the workers that the dispatcher feeds can leave. The others leave at once."""

    def __init__(self, master: Master, said: Stopping | Interrupted) -> None:
        self.cause = said.cause
        self.started = time.monotonic()
        self.drained = self.dismissed = self.hastened = self.forced = False
        self.sockets_until = float("inf")  # when websocket workers have had the time to let everybody go
        self.kill_at = float("inf")  # when templates and dispatcher count as stuck
        self.status = 0
        settings = master.settings
        self.deadline = self.started + settings.drain_delay + settings.graceful_timeout + PATIENCE
        self.jobs_until = self.started + settings.graceful_timeout_cron
        master.journal.emit(said)
        for listener in master.listeners:
            listener.close()  # the dispatcher's copies go on until the drain delay is over
        master.listeners.clear()
        master.watch.dismiss()
        master.console.dismiss()
        master.notifier.stopping(f"stopping: {said.cause}")
        master.front.tell("drain", delay=settings.drain_delay, timeout=settings.graceful_timeout)
        if master.front.process is None:
            self.dispatcher_drained(master, 0)

    def dispatcher_drained(self, master: Master, unfinished: int) -> None:
        """The dispatcher has no request any more, or has waited long enough for those that are left."""
        self.drained = True
        self.sockets_until = time.monotonic() + master.settings.websocket_farewell + FAREWELL
        if unfinished:
            master.journal.emit(StopForced(f"{unfinished} requests were not finished within graceful_timeout"))
            self._kill(master, [worker for worker in master.crew.all() if worker.pool is HTTP])

    def step(self, master: Master, now: float) -> None:
        """Go on with the stop as far as it can go."""
        if now > self.deadline:
            self._end_wait(master)
        if self.drained and not self.hastened:
            self._hasten_jobs(master)
        if now > self.jobs_until:
            self._end_jobs(master)
        if now > self.sockets_until:
            self._end_sockets(master)
        if self.drained and not master.crew.workers and not self.dismissed:
            self._dismiss(master, now)
        if now > self.kill_at:
            for pid in [*master.templates.leaving, *([master.front.process.pid] if master.front.process else [])]:
                kill_group(pid)
        killed = all(worker.state is State.KILLED for worker in master.crew.all())
        since = max((worker.since for worker in master.crew.all()), default=self.kill_at)
        if killed and not self._alone(master) and now > since + 2 * PATIENCE:
            master.journal.emit(StopIncomplete(", ".join(map(str, strangers()))))
            self._end(master, now)
        elif self.dismissed and self._alone(master) and master.database.dismiss(now):
            left = strangers()
            for pid in left:
                kill_group(pid)  # left behind by the application; their own children are ours in the next step
            if not left:
                self._end(master, now)

    def _alone(self, master: Master) -> bool:
        """Whether nobody is left who may use the database."""
        return not master.crew.workers and not master.templates.leaving and not master.front.process

    def _end(self, master: Master, now: float) -> None:
        master.journal.emit(Stopped(now - self.started))
        master.status = self.status

    def _dismiss(self, master: Master, now: float) -> None:
        self.dismissed = True
        self.kill_at = now + PATIENCE
        for number in list(master.templates.generations):
            master.templates.forget(number)
        if master.front.process:
            master.unhear(master.front.process.channel.wire)
            master.front.process.channel.close()

    def _end_wait(self, master: Master) -> None:
        """The agreed time is over for those who have not even begun to leave, and for what goes on without a client."""
        retiring = [worker for worker in master.crew.all() if worker.pool is HTTP and worker.state is State.RETIRING]
        late = [worker for worker in retiring if not master.crew.open_connections(worker)]
        if not self.drained:
            self.force(master, "the dispatcher did not drain in time")
        elif master.crew.forking() and not self.forced:
            self.force(master, "a worker was not forked in time")
        elif late:
            names = ", ".join(worker.name for worker in late)
            master.journal.emit(StopForced(f"{names} had not finished within graceful_timeout"))
            self._kill(master, late)

    def _hasten_jobs(self, master: Master) -> None:
        """All requests are finished, and who has asked for the stop waits for nothing but jobs."""
        self.hastened = True
        for worker in master.crew.all():
            if not worker.pool.fed:
                master.crew.processes.hasten(worker)

    def _end_jobs(self, master: Master) -> None:
        """Nobody waits any longer for jobs."""
        late = [worker for worker in master.crew.all() if not worker.pool.fed and worker.state is State.RETIRING]
        if late:
            names = ", ".join(worker.name for worker in late)
            master.journal.emit(StopForced(f"the jobs of {names} were not finished within graceful_timeout_cron"))
            self._kill(master, late)

    def _end_sockets(self, master: Master) -> None:
        """Nobody waits any longer for clients to leave."""
        retiring = [worker for worker in master.crew.all() if worker.state is State.RETIRING]
        late = [worker for worker in retiring if worker.pool is LIVE or master.crew.open_connections(worker)]
        if late:
            names = ", ".join(worker.name for worker in late)
            master.journal.emit(StopForced(f"the connections of {names} were not closed within websocket_farewell"))
            self._kill(master, late)

    def force(self, master: Master, reason: str, status: int = 0) -> None:
        """Wait no longer, and say why."""
        self.status = self.status or status
        master.journal.emit(StopForced(reason))
        self.give_up(master)

    def give_up(self, master: Master) -> None:
        """Kill the workers. The dispatcher sees them die, tells their clients, and leaves as in any other stop.

        A template that has a worker still to fork may be stopped, or hang in that.
        """
        self.drained = self.forced = True
        self._kill(master, master.crew.all())
        if master.crew.forking():
            master.templates.end()

    def _kill(self, master: Master, workers: list[Worker]) -> None:
        if any(worker.pool.fed for worker in workers):
            master.front.tell("give up", reason="the server stops at once")
        master.crew.give_up(workers, time.monotonic())
