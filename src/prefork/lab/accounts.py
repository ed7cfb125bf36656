"""What became of a load. Pure.

What was acknowledged is owed as a row, a job and a message; an account says what of it is missing.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Request:
    """One request: `refused` where no connection was made, `why` it was not answered well. Times are of the monotonic clock."""

    kind: str  # read or write
    began: float
    ended: float
    key: int = 0
    refused: bool = False
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether it was answered as it should be."""
        return not self.why and not self.refused


@dataclass(frozen=True)
class Account:
    """Counts and seconds of a load. `gap_…` is the longest time in which no such request ended well."""

    reads: int = 0
    reads_failed: int = 0
    gap_reads: float = 0.0
    slowest_read: float = 0.0
    writes: int = 0
    acknowledged: int = 0
    gap_writes: float = 0.0
    refused: int = 0
    refused_for: float = 0.0
    lost: int = 0  # acknowledged orders that are not there
    jobs_lost: int = 0
    jobs_twice: int = 0
    runs_broken: int = 0
    messages_lost: int = 0
    messages_twice: int = 0
    messages_told_lost: int = 0  # of which the listener was told that something is missing
    reasons: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """For people."""
        return [
            f"pages: {self.reads} read, {self.reads_failed} failed, slowest {self.slowest_read:.2f} s",
            f"orders: {self.writes} sent, {self.acknowledged} acknowledged, {self.lost} lost; none for {self.gap_writes:.2f} s",
            f"connects: {self.refused} refused or not answered, within {self.refused_for:.2f} s",
            f"jobs: {self.jobs_lost} lost, {self.jobs_twice} done twice; {self.runs_broken} runs failed or lost",
            f"messages: {self.messages_lost} lost, {self.messages_twice} heard twice",
            *(f"  {each}" for each in self.reasons),
        ]


@dataclass
class Ledger:
    """What clients saw so far. Threads write to it."""

    requests: list[Request] = field(default_factory=list)
    heard: Counter[int] = field(default_factory=Counter)
    listening: bool = False
    told_lost: int = 0
    last: int | None = None  # the position that the listener comes back with

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def note(self, request: Request) -> None:
        """A request has ended."""
        with self._lock:
            self.requests.append(request)

    def hear(self, said: Mapping[str, Any]) -> None:
        """What the bus says to the listener."""
        if "subscribed" in said:
            self.listening = True
            self.last = int(said["position"]) if self.last is None else self.last
        with self._lock:
            for message in said.get("messages", ()):
                self.last = int(message["position"])
                if message["channel"]:
                    self.heard[int(message["payload"])] += 1
                elif (message["payload"] or {}).get("lost"):
                    self.told_lost += 1

    def acknowledged(self) -> set[int]:
        """The keys of orders that are owed."""
        with self._lock:
            return {each.key for each in self.requests if each.kind == "write" and each.well}

    def settled(self, kept: Mapping[str, Any]) -> bool:
        """Whether every order has its job and its message, of those that are there."""
        owed = self.acknowledged() & set(kept["orders"])
        return owed <= set(kept["fulfilled"]) and owed <= set(self.heard)

    def account(self, kept: Mapping[str, Any]) -> Account:
        """What became of everything, beside what the application has."""
        owed, orders, fulfilled = self.acknowledged(), set(kept["orders"]), Counter(kept["fulfilled"])
        reads = [each for each in self.requests if each.kind == "read"]
        writes = [each for each in self.requests if each.kind == "write"]
        refused = [each for each in self.requests if each.refused]
        failed = [each for each in self.requests if each.why and not each.refused]
        there = owed & orders
        return Account(
            reads=len(reads),
            reads_failed=sum(1 for each in reads if each.why and not each.refused),
            gap_reads=gap(reads),
            slowest_read=max((each.ended - each.began for each in reads if each.well), default=0.0),
            writes=len(writes),
            acknowledged=len(owed),
            gap_writes=gap(writes),
            refused=len(refused),
            refused_for=max((each.ended for each in refused), default=0.0) - min((each.began for each in refused), default=0.0),
            lost=len(owed - orders),
            jobs_lost=len(there - set(fulfilled)),
            jobs_twice=sum(1 for count in fulfilled.values() if count > 1),
            runs_broken=int(kept["lost"]),
            messages_lost=len(there - set(self.heard)),
            messages_twice=sum(1 for count in self.heard.values() if count > 1),
            messages_told_lost=self.told_lost,
            reasons=reasons(failed),
        )


def gap(requests: Iterable[Request]) -> float:
    """The longest time between the ends of two requests that went well, one after the other."""
    ends = sorted(each.ended for each in requests if each.well)
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)


def reasons(failed: Iterable[Request]) -> tuple[str, ...]:
    """Why requests failed, the most frequent first."""
    counted = Counter(f"{each.kind}: {each.why}" for each in failed)
    return tuple(f"{count} × {why}" for why, count in counted.most_common(5))
