"""What is known of a worker's violent end becomes an incident: its limit, gauge, slot and stacks, and what the dispatcher knows.

The dispatcher's word about the request may come before or after the death is noticed here; it is waited for, but not for long.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prefork.events import IncidentLost, IncidentRecorded
from prefork.incidents import Incident, Ledger, new_id

if TYPE_CHECKING:
    from prefork.master.crew import Remains
    from prefork.master.enforce import Condemned
    from prefork.master.gauges import Gauge
    from prefork.master.loop import Master

WORD = 1.0  # seconds in which the dispatcher says what a dead worker was doing
NODE = platform.node()

ADVICE = {
    "limit_memory_hard": "Have it work in smaller batches or stream its data; or raise limit_memory_hard, if there is the memory.",
    "limit_time_real": "The stacks show what it waits for. If it may take longer, give its path a time in limit_time_real_routes.",
    "limit_time_cpu": "The stacks show the loop it is in. Work of this size belongs into a scheduled job; or raise limit_time_cpu.",
    "oom": "The machine had no memory left. Lower limit_memory_hard or workers, so that all workers at their limits fit.",
    "crash": "A fault in native code: the stacks show the call. Look for a newer version of that library.",
    "signal": "Somebody or something sent the signal; it was not this server.",
    "exit": "The application ended its process: look for os._exit or a fatal error in the lines before.",
    "stuck": "It was stopped (a debugger, SIGSTOP, a frozen cgroup) or hangs in the kernel: find out why.",
    "boot": "Repair what the traceback names.",
}
CRASHES = frozenset(("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"))


@dataclass
class Case:
    """An incident that waits for the dispatcher's word."""

    incident: Incident
    slot: int
    until: float


class Inquest:
    """`words` are what the dispatcher has said about dead workers, by place and pid, `count` how many incidents there were."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.ledger = Ledger(master.settings.data_dir)
        self.words: dict[tuple[int, int], dict[str, Any]] = {}
        self.cases: list[Case] = []
        self.count = 0
        self.kills = kernel_kills()

    def open(self, remains: Remains, condemned: Condemned | None, gauge: Gauge | None) -> None:
        """A worker has ended that was not asked to."""
        worker, said, now = remains.worker, remains.said, time.monotonic()
        cause, reason = self._cause(remains, condemned)
        incident = Incident(
            id=condemned.incident if condemned else new_id(),
            time=round(time.time(), 3),
            node=NODE,
            worker=worker.name,
            pool="http",
            pid=worker.pid,
            generation=worker.generation,
            cause=cause,
            reason=reason,
            advice=ADVICE.get(cause, ADVICE["crash"]),
            elapsed=round(now - remains.task.begun, 3) if remains.task else None,
            memory=gauge.memory if gauge else None,
            curve=[(round(then - now, 2), size) for then, size in gauge.curve] if gauge else [],
            children=[{"pid": child.pid, "name": child.name, "memory": child.resident} for child in condemned.children]
            if condemned
            else [],
            stacks=said if cause == "boot" and said else remains.stacks,
        )
        case = Case(incident, worker.slot, now + WORD)
        if condemned and condemned.request:
            self._close(case, {"request": condemned.request, "status": 0})
        elif word := self.words.pop((worker.slot, worker.pid), None):
            self._close(case, word)
        elif self.master.front.process and remains.introduced:
            self.cases.append(case)
        else:
            self._close(case, {})

    def hear(self, slot: int, pid: int, said: dict[str, Any]) -> None:
        """The dispatcher has released a worker, and says what it was doing."""
        case = next((case for case in self.cases if case.slot == slot and case.incident.pid == pid), None)
        if case:
            self.cases.remove(case)
            self._close(case, said)
        elif said.get("request"):
            self.words[slot, pid] = said

    def step(self, now: float) -> None:
        """Close what has waited long enough."""
        for case in [case for case in self.cases if now > case.until]:
            self.cases.remove(case)
            self._close(case, {})

    def _close(self, case: Case, said: dict[str, Any]) -> None:
        request = said.get("request")
        incident = replace(
            case.incident,
            id=said.get("incident") or case.incident.id,
            request=request,
            status=said.get("status") or case.incident.status,
        )
        self.count += 1
        try:
            self.ledger.add(incident)
        except OSError as error:
            self.master.journal.emit(IncidentLost(incident.id, error.strerror or str(error)))
        doing = f"{request['method']} {request['target']} of {request['client']} ({request['id']})" if request else "no request"
        self.master.journal.emit(
            IncidentRecorded(incident.id, incident.pid, incident.worker, incident.cause, incident.reason, doing)
        )

    def _cause(self, remains: Remains, condemned: Condemned | None) -> tuple[str, str]:
        """A word to count by, and a sentence."""
        if condemned:
            return condemned.verdict.limit.value, condemned.verdict.reason
        if remains.said is not None:
            return "boot", "it could not get ready"
        if remains.reason:
            return "stuck", remains.reason
        how = remains.death.how()
        if remains.death.code >= 0:
            return "exit", f"it ended with {how}"
        if "SIGKILL" in how and self._killed_by_the_kernel():
            return "oom", "the kernel killed a process for want of memory, and this one died by SIGKILL"
        return ("crash" if any(name in how for name in CRASHES) else "signal"), f"it died by {how}"

    def _killed_by_the_kernel(self) -> bool:
        """Whether the kernel says that it has killed something for want of memory since the last death."""
        before, self.kills = self.kills, kernel_kills()
        return self.kills > before


def kernel_kills() -> int:
    """How often the kernel has killed a process for want of memory since the machine's start: its own counter."""
    try:
        with open("/proc/vmstat", encoding="ascii") as counters:
            return next((int(line.split()[1]) for line in counters if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0
