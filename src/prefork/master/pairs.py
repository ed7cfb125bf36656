"""The pairs of sockets between workers and those who feed them: which ends are here, and which the dispatcher has.

A worker's places (slots) are its own until the dispatcher has released them: only then may another worker write there. The
dispatcher has the other ends of the pairs of those that it feeds; those of the others stay here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from prefork.messages import DONTWAIT, LOG, pair, send

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence

    from prefork.channel import Channel
    from prefork.master.fleet import Worker


class Pairs:
    """`dispatcher` is the channel to the dispatcher while there is one."""

    def __init__(self) -> None:
        self.dispatcher: Channel | None = None
        self.ends: dict[int, socket.socket] = {}  # that the dispatcher has not been given, by place
        self.unreleased: set[int] = set()  # places that the dispatcher may still read

    def make(self, worker: Worker) -> list[socket.socket]:
        """A pair for each of a worker's places; returns its own ends. Raises OSError."""
        theirs: list[socket.socket] = []
        try:
            for slot in worker.slots:
                self.ends[slot], end = pair()
                theirs.append(end)
        except OSError:
            for end in theirs:
                end.close()
            raise
        return theirs

    def introduce(self, worker: Worker, pidfd: int, counters: Sequence[int]) -> None:
        """Give the dispatcher its ends, if it feeds the worker: from now on that gets requests.

        `counters` are descriptors of the files in which the kernel counts what the worker's fuse has done.
        """
        if not self.dispatcher or not worker.pool.fed:
            return
        if worker.looped:
            self._introduce_loop(self.dispatcher, worker, [pidfd, *counters])
            return
        for slot in sorted(self.ends.keys() & worker.slots):
            with self.ends.pop(slot) as end:
                told = {"slot": slot, "pool": worker.pool.name, "name": worker.pool.place_name(slot), "pid": worker.pid}
                self.dispatcher.send("add", [end.fileno(), pidfd, *counters], places=0, speaks=worker.speaks, **told)
            self.unreleased.add(slot)
            worker.reachable.add(slot)

    def _introduce_loop(self, dispatcher: Channel, worker: Worker, known: Sequence[int]) -> None:
        """All places of a worker with an event loop come and go at once, in one message."""
        if worker.slot not in self.ends:
            return
        ends = [self.ends.pop(slot) for slot in worker.slots]
        told = {"slot": worker.slot, "pool": worker.pool.name, "name": worker.name, "pid": worker.pid}
        dispatcher.send("add", [*(end.fileno() for end in ends), *known], places=len(ends), **told)
        for end in ends:
            end.close()
        self.unreleased.update(worker.slots)
        worker.reachable.add(worker.slot)

    def retire(self, worker: Worker) -> None:
        """Have the dispatcher close what it has of a worker's, and say so."""
        if self.dispatcher:
            for slot in self.unreleased.intersection([worker.slot] if worker.looped else worker.slots):
                self.dispatcher.send("retire", slot=slot)

    def release(self, slot: int, places: int) -> None:
        """The dispatcher has closed so many pairs in a row, and will not read their slots again."""
        self.unreleased.difference_update(range(slot, slot + places))

    def lose_dispatcher(self) -> None:
        """All that it had is closed."""
        self.dispatcher = None
        self.unreleased.clear()

    def feeds(self, worker: Worker) -> bool:
        """Whether the dispatcher has a pair of a worker's, or may still read its slots."""
        return not self.unreleased.isdisjoint(worker.slots)

    def close(self, worker: Worker) -> None:
        """Close the ends of a worker's pairs that are here: it takes nothing more, since it looks before it takes anything."""
        for slot in self.ends.keys() & worker.slots:
            self.ends.pop(slot).close()

    def switch_log(self, workers: Iterable[Worker], log: int) -> None:
        """Have those whose pairs are here write to another log, once they have finished what they do."""
        for worker in workers:
            if not worker.pool.fed and worker.slot in self.ends:
                with contextlib.suppress(OSError):  # it is leaving, or has been stopped for many rotations
                    send(self.ends[worker.slot], LOG, [log], DONTWAIT)
