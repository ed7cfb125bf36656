"""Which workers to start, retire and kill: the pure heart of the master. No process, no clock, no socket.

`plan` compares what there is with what is wanted and says what to do now; called again after every event, it converges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from prefork.master.pools import HTTP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prefork.master.pools import Pool

LEAVE_WITHIN = 10.0  # seconds a worker has for its exit functions once it has no request any more


class State(Enum):
    """Where a worker is in its life."""

    FORKING = "forking"  # the template has been told
    BOOTING = "booting"  # it has a pid
    READY = "ready"  # the dispatcher gives it requests, or it looks for work by itself
    RETIRING = "retiring"  # it gets nothing more, but may be at work
    LEAVING = "leaving"  # its pair is closed and its work done
    KILLED = "killed"


S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    S.FORKING: frozenset((S.BOOTING, S.KILLED)),
    S.BOOTING: frozenset((S.READY, S.KILLED)),
    S.READY: frozenset((S.RETIRING, S.LEAVING, S.KILLED)),
    S.RETIRING: frozenset((S.LEAVING, S.KILLED)),
    S.LEAVING: frozenset((S.KILLED,)),
    S.KILLED: frozenset(),
}


@dataclass(eq=False)
class Worker:
    """A worker's process as the master knows it: one place (slot, pair), or as many as it has threads or serves requests on a loop.

    `since` is when its state began, `born` when it was ordered (monotonic seconds). `slot` is its first place and its identity,
    `reachable` are the places that the dispatcher may give requests to.
    """

    slot: int
    generation: int
    born: float
    state: State = State.FORKING
    since: float = 0.0
    pid: int = 0
    worn: bool = False  # it has asked to be replaced
    busy: bool = False  # it is at work, as far as the scoreboard said at the last look
    threads: int = 0  # in threaded mode
    concurrency: int = 0  # requests at a time, of a worker with an event loop
    speaks: bool = False  # a websocket worker in which the application itself speaks with clients
    reachable: set[int] = field(default_factory=set)
    pool: Pool = HTTP

    @property
    def slots(self) -> range:
        """Its places."""
        return range(self.slot, self.slot + max(1, self.threads, self.concurrency))

    @property
    def looped(self) -> bool:
        """Whether its requests share an event loop."""
        return self.concurrency > 0

    @property
    def name(self) -> str:
        """What logs and process titles call it: `http.3`, or `http.1-8` for eight threads."""
        if self.looped:
            return f"{self.pool.name}.{(self.slot - self.pool.first) // self.concurrency + 1}"
        name = self.pool.place_name(self.slot)
        return f"{name}-{self.slots[-1] - self.pool.first + 1}" if len(self.slots) > 1 else name

    def to(self, state: State, now: float) -> None:
        """Change the state; anything that the table does not have is a fault."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"worker {self.name} cannot go from {self.state.value} to {state.value}")
        self.state = state
        self.since = now


@dataclass(frozen=True)
class Wanted:
    """What there should be in a pool: `count` ready workers of `generation`, none started before `not_before`.

    `cramped`: there is no memory for one worker more, so a worn one has to be gone before its replacement is started.
    """

    count: int
    generation: int
    boot_timeout: float
    not_before: float = 0.0
    cramped: bool = False


@dataclass(frozen=True)
class Fork:
    """Start a worker."""

    generation: int


@dataclass(frozen=True)
class Retire:
    """Let a worker finish and leave."""

    worker: Worker
    reason: str


@dataclass(frozen=True)
class Kill:
    """End a worker. `cause` is the word that incidents count by."""

    worker: Worker
    cause: str
    reason: str


@dataclass(frozen=True)
class Drop:
    """End a worker that is on its way and not needed any more."""

    worker: Worker


Action = Fork | Retire | Kill | Drop
COMING = frozenset((S.FORKING, S.BOOTING))
GOING = frozenset((S.RETIRING, S.LEAVING))


def plan(workers: Sequence[Worker], wanted: Wanted, now: float) -> list[Action]:
    """What to do now with a pool's workers to have what is wanted, without ever having fewer ready ones than there are.

    But for one where it is cramped. Not in a reload: only a new worker that is ready shows that the new code is fit to serve.
    """
    coming = [w for w in workers if w.state in COMING and w.generation == wanted.generation]
    fresh = [w for w in workers if w.state is S.READY and w.generation == wanted.generation and not w.worn]
    stale = [w for w in workers if w.state is S.READY and w not in fresh]
    # What finds its work itself is replaced in its own place, once it is buried: its successor frees what it had.
    dying = [w for w in workers if w.state is S.KILLED and not w.pool.fed and now - w.since <= LEAVE_WITHIN]
    late = list(overdue(workers, wanted, now))
    killed = {kill.worker for kill in late}
    going = [w for w in workers if w.state in GOING]
    in_turn = wanted.cramped and all(w.generation == wanted.generation for w in stale)
    return [
        *late,
        *(Drop(w) for w in workers if w.state in COMING and w.generation != wanted.generation),
        *starts(len(coming) + len(dying), len(fresh), len(stale) + len(going) * in_turn, wanted, now, spare=0 if in_turn else 1),
        *(action for action in farewells(coming, fresh, stale, wanted) if action.worker not in killed),
        *(exchanges(fresh, stale, wanted) if in_turn and not coming and not going and now >= wanted.not_before else ()),
    ]


def overdue(workers: Iterable[Worker], wanted: Wanted, now: float) -> Iterable[Kill]:
    """Those who take too long to come or to go."""
    for worker in workers:
        if worker.state in COMING and worker.generation == wanted.generation and now - worker.born > wanted.boot_timeout:
            yield Kill(worker, "boot", f"it was not ready within {wanted.boot_timeout:g} s (boot_timeout)")
        elif worker.state is S.LEAVING and now - worker.since > LEAVE_WITHIN:
            yield Kill(worker, "stuck", f"it did not leave within {LEAVE_WITHIN:g} s")


def starts(coming: int, fresh: int, stale: int, wanted: Wanted, now: float, spare: int) -> Iterable[Action]:
    """New workers: as many at once as requests have nobody else to go to, and otherwise `spare` (one or none) at a time.

    So a reload or a recycling needs the memory of one worker more, and a start or a crash is over as soon as possible.
    """
    if now < wanted.not_before:
        return ()
    missing = wanted.count - coming - fresh
    at_once = max(spare, wanted.count - fresh - stale) - coming
    return (Fork(wanted.generation) for _ in range(min(missing, at_once)))


def farewells(coming: list[Worker], fresh: list[Worker], stale: list[Worker], wanted: Wanted) -> Iterable[Retire | Drop]:
    """Workers too many: those that are worn or of old code first, idle ones before busy ones, the youngest before the old."""
    for worker in coming[: max(0, len(coming) + len(fresh) - wanted.count)]:
        yield Drop(worker)
    surplus = len(fresh) + len(stale) - wanted.count
    ranked = [*sorted(stale, key=rank), *sorted(fresh, key=rank)]
    for worker in ranked[: max(0, surplus)]:
        if worker.generation != wanted.generation:
            reason = f"generation {wanted.generation} replaces it"
        else:
            reason = "its replacement is ready" if worker.worn else surplus_reason(wanted.count)
        yield Retire(worker, reason)


def exchanges(fresh: list[Worker], stale: list[Worker], wanted: Wanted) -> Iterable[Retire]:
    """A worn worker leaves before there is another in its place: one at a time."""
    if stale and len(fresh) + len(stale) == wanted.count:
        yield Retire(min(stale, key=rank), "there is no room for its replacement beside it")


def surplus_reason(count: int) -> str:
    """Why a good worker leaves."""
    return f"only {count} wanted" if count else "the server stops"


def rank(worker: Worker) -> tuple[bool, float]:
    """The order of leaving among equals."""
    return worker.busy, -worker.born
