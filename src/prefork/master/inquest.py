"""What is known of a worker's violent end becomes an incident: its limit, gauge, slot and stacks, and what the dispatcher knows.

The dispatcher's word about the request may come before or after the death is noticed here; it is waited for, but not for long.
"""

from __future__ import annotations

import platform
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prefork.events import IncidentLost, IncidentRecorded, LoadingRecorded
from prefork.incidents import Incident, Ledger, new_id
from prefork.master.pools import LIVE
from prefork.meters import Gone, kernel_kills

if TYPE_CHECKING:
    from prefork.master.enforce import Condemned
    from prefork.master.fleet import Worker
    from prefork.master.gauges import Gauge
    from prefork.master.generation import Generation
    from prefork.master.loop import Master
    from prefork.master.remains import Remains
    from prefork.meters import Relative

WORD = 1.0  # seconds in which the dispatcher says what a dead worker was doing
RECENT = 2.0  # seconds in which the kernel's killing of something may have been that of a worker which is buried now
NODE = platform.node()

ADVICE = {
    "limit_memory_hard": "Have it work in smaller batches or stream its data; or raise limit_memory_hard, if there is the memory.",
    "limit_memory_hard_gevent": "Have fewer connections in one worker (websocket_connections), or raise limit_memory_hard_gevent.",
    "limit_time_real": "The stacks show what it waits for. If it may take longer, give its path a time in limit_time_real_routes.",
    "limit_time_real_cron": "The stacks show what it waits for. Have the job work in pieces; or raise limit_time_real_cron.",
    "limit_time_cpu": "The stacks show the loop it is in. Work of this size belongs into a scheduled job; or raise limit_time_cpu.",
    "websocket_stall": "The stacks show the call that does not return. Have it made in a thread (asyncio.to_thread), or await it.",
    "oom": "The machine had probably no memory left. Lower limit_memory_hard or workers, so that all workers at their limits fit.",
    "fuse": "It, or what it started, took memory faster than can be looked at. Have it work in smaller batches, or raise "
    "limit_memory_hard.",
    "crash": "A fault in native code: the stacks show the call. Look for a newer version of that library.",
    "signal": "Somebody or something sent the signal; it was not this server.",
    "exit": "The application ended its process: look for os._exit or a fatal error in the lines before.",
    "stuck": "It was stopped (a debugger, SIGSTOP, a frozen cgroup) or hangs: find out why.",
    "faulty": "The application writes to descriptors that are not its own.",
    "boot": "Repair what the traceback names, or see what the import waits for.",
}
FOR_JOBS = {"limit_time_cpu": "The stacks show the loop it is in. Have the job work in pieces; or raise limit_time_cpu."}
CRASHES = frozenset((signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT))
UNAIDED = frozenset(("crash", "exit", "boot"))


@dataclass
class Case:
    """An incident that waits for the dispatcher's words about the worker's `places`. `request` is what is known before.

    `looped`: all that it was doing is of one incident.
    """

    incident: Incident
    places: set[int]
    until: float
    request: dict[str, Any] | None = None
    looped: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)


class Inquest:
    """`words` are what the dispatcher has said about the dead, by place and pid, `count` how many incidents there were."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.ledger = Ledger(master.settings.data_dir, master.console.readers)
        self.words: dict[tuple[int, int], dict[str, Any]] = {}
        self.cases: list[Case] = []
        self.count = 0
        self.kills = kernel_kills()
        self.counted_at = time.monotonic()

    def open(self, remains: Remains, condemned: Condemned | None, gauge: Gauge | None, orphans: list[Relative]) -> None:
        """A worker has ended that was not asked to, and left `orphans`. Not reaped yet: the kernel knows its processor time."""
        worker, now = remains.worker, time.monotonic()
        cause, reason = self._cause(remains, condemned)
        incident = Incident(
            id=condemned.incident if condemned else new_id(),
            time=round(time.time(), 3),
            node=NODE,
            worker=worker.name,
            pool=worker.pool.name,
            pid=worker.pid,
            generation=worker.generation,
            cause=cause,
            reason=reason,
            advice=(FOR_JOBS if remains.job else {}).get(cause, ADVICE[cause]),
            job=(condemned.job if condemned else None) or remains.job,
            elapsed=round(now - remains.task.begun, 3) if remains.task and not worker.looped else None,
            cpu=spent(remains, gauge),
            memory=gauge.memory if gauge else None,
            curve=[(round(then - now, 2), size) for then, size in (*gauge.curve, (now, gauge.memory))] if gauge else [],
            children=[child.told() for child in (condemned.children if condemned else orphans)],
            stacks=remains.stacks or remains.said or "",
        )
        known = condemned.request if condemned else None
        case = Case(incident, self.master.crew.pairs.unreleased.intersection(worker.slots), now + WORD, known, worker.looped)
        self.cases.append(case)
        for place in worker.slots:
            if word := self.words.pop((place, worker.pid), None):
                self._note(case, place, word)
        self._close_if_told(case)

    def note_loading(self, generation: Generation, pid: int, reason: str, traceback: str | None) -> None:
        """A generation could not be loaded: nobody was at work, and there is nobody's word to wait for. `pid` is its template's."""
        incident = Incident(
            id=new_id(),
            time=round(time.time(), 3),
            node=NODE,
            worker="template",
            pool="-",
            pid=pid,
            generation=generation.number,
            cause="boot",
            reason=f"the application could not be loaded: {reason}",
            advice=ADVICE["boot"],
            stacks=traceback or "",
        )
        self._add(incident)
        self.master.journal.emit(LoadingRecorded(incident.id, generation.number))

    def hear(self, slot: int, pid: int, said: dict[str, Any]) -> None:
        """The dispatcher has released a worker, and says what it was doing."""
        case = next((case for case in self.cases if case.incident.pid == pid), None)
        if case:
            self._note(case, slot, said)
            self._close_if_told(case)
        elif ("status" in said or "told" in said) and self.master.crew.find(slot, pid):
            self.words[slot, pid] = said

    def forget(self, worker: Worker) -> None:
        """A worker has ended as it should."""
        for place in worker.slots:
            self.words.pop((place, worker.pid), None)

    def step(self, now: float) -> None:
        """Close what has waited long enough, and keep the kernel's count fresh: what it killed long ago explains nothing."""
        for case in [case for case in self.cases if now > case.until]:
            self._close(case)
        if now - self.counted_at > RECENT:
            self.kills, self.counted_at = kernel_kills(), now

    def _note(self, case: Case, place: int, said: dict[str, Any]) -> None:
        case.places.difference_update(range(place, place + said.get("places", 1)))
        case.told += (each for each in said.get("told", [said]) if "status" in each)

    def _close_if_told(self, case: Case) -> None:
        if not case.places:
            self._close(case)

    def _close(self, case: Case) -> None:
        """Keep it: once, or in threaded mode for each request that ended with the process."""
        self.cases.remove(case)
        if case.looped:
            self._keep(self._of_loop(case))
            return
        for said in case.told or [{}]:
            incident = replace(
                case.incident,
                id=said.get("incident") or case.incident.id,
                request=said.get("request") or case.request,
                status=said.get("status") or None,
            )
            self._keep(incident)

    def _of_loop(self, case: Case) -> Incident:
        """One for all requests that were on a loop. The first is the one that it died for, where that is known."""
        told = [said for said in case.told if said.get("request")]
        requests = [{**said["request"], "status": said["status"] or None} for said in told]
        guilty = (case.request or {}).get("id")
        requests.sort(key=lambda request: request["id"] != guilty)
        first = requests[0] if guilty and requests else None
        identity = next((said["incident"] for said in told), case.incident.id)
        return replace(case.incident, id=identity, request=first, status=first["status"] if first else None, requests=requests)

    def _add(self, incident: Incident) -> None:
        self.count += 1
        try:
            self.ledger.add(incident)
        except OSError as error:
            self.master.journal.emit(IncidentLost(incident.id, error.strerror or str(error)))

    def _keep(self, incident: Incident) -> None:
        self._add(incident)
        how = "died" if incident.cause in UNAIDED else "killed"
        self.master.journal.emit(
            IncidentRecorded(incident.id, incident.pid, how, incident.worker, incident.cause, incident.reason, doing(incident))
        )

    def _cause(self, remains: Remains, condemned: Condemned | None) -> tuple[str, str]:
        """A word to count by, and a sentence."""
        if condemned:
            return condemned.cause, condemned.reason
        if remains.said:
            return "boot", f"it could not get ready: {remains.said.rstrip().splitlines()[-1]}"
        how = remains.death.how()
        if remains.death.code >= 0:
            return "exit", f"it ended with {how}"
        if -remains.death.code == signal.SIGKILL:
            return self._killed(remains.worker.pid)
        return ("crash" if -remains.death.code in CRASHES else "signal"), f"it died by {how}"

    def _killed(self, pid: int) -> tuple[str, str]:
        """Whose SIGKILL it was, when it was not ours.

        The counters of its own control group are about it alone. That of the machine is about all processes, so it says no more
        than that it may have been this one, and each kill that it has counted is put down to one worker.
        """
        toll = self.master.fuses.toll(pid)
        if toll is None and kernel_kills() > self.kills:
            self.kills += 1
            return "oom", (
                "it died by signal 9 (SIGKILL), probably the kernel's for want of memory: the kernel has just killed a process for "
                "that, on this machine"
            )
        self.kills += toll.kills if toll else 0
        if toll and toll.kills and toll.own:
            return "fuse", self.master.fuses.epitaph(pid)
        if toll and toll.kills:
            return "oom", f"the kernel killed it for want of memory, not of its own control group's (oom_kill {toll.kills} there)"
        return "signal", "it died by signal 9 (SIGKILL)"


def spent(remains: Remains, gauge: Gauge | None) -> float | None:
    """Seconds of processor time that a dead worker has used for its request or job."""
    if remains.task is None or gauge is None or remains.worker.looped:
        return None
    try:
        return round(gauge.meter.processor() - remains.task.cpu, 3)
    except Gone:
        return None


def doing(incident: Incident) -> str:
    """What a worker was doing, in words."""
    if incident.job:
        return f"job {incident.job['name']}, run {incident.job['run']}"
    request = incident.request
    if request is None and incident.requests:
        return f"{len(incident.requests)} requests at a time, {target_of(incident.requests[0])} among them"
    if request is None:
        return "what its connections wanted" if incident.pool == LIVE.name else "nothing"
    others = f", and {len(incident.requests) - 1} others" if len(incident.requests) > 1 else ""
    return f"{target_of(request)} of {request['client']} ({request['id']}){others}"


def target_of(request: dict[str, Any]) -> str:
    """Method and target."""
    return f"{request['method']} {request['target']}"
