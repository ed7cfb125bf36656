"""Processes that the application forks, by whatever calls Python's own hooks: nothing of their worker's goes with them.

A fork has all descriptors and shared memory of its worker. One that lives on would hold what is its worker's clients'; one that
comes back, because the application returns or raises there too, would answer a second time, and read what its worker is to read.
So a child's descriptors lead nowhere, and what it stores nobody sees. What comes back ends. A process has one such family.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from prefork.kernel import make_private
from prefork.worker.output import complain
from prefork.worker.traces import trace

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable
    from typing import Callable


class Family:
    """`parent` is the worker. `descriptors` tell which ones it has, `memory` is what others see too; `then` each child calls."""

    def __init__(self) -> None:
        self.parent = 0  # nobody yet
        self.parted = False
        self.descriptors: list[Callable[[], Iterable[int]]] = []
        self.memory: list[mmap.mmap] = []
        self.then: list[Callable[[], object]] = []

    def found(self) -> None:
        """This process is a worker."""
        self.parent = os.getpid()
        self.nowhere, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        other.close()
        os.register_at_fork(after_in_child=self.part)

    def withhold(
        self, descriptors: Callable[[], Iterable[int]], *memory: mmap.mmap, then: Callable[[], object] | None = None
    ) -> None:
        """Have none of that go with children; closed ones are below 0. `then` is called in each of them."""
        if self.parent:
            self.descriptors.append(descriptors)
            self.memory += memory
            if then:
                self.then.append(then)

    def part(self) -> None:
        """In a child: let go of everything. A child's children have nothing left, and may have put their own in its place."""
        if self.parted:
            return
        self.parted = True
        for descriptors in self.descriptors:
            for descriptor in descriptors():
                if descriptor >= 0:
                    os.dup2(self.nowhere.fileno(), descriptor, inheritable=False)
        for memory in self.memory:
            make_private(memory)
        for call in self.then:
            call()

    def end(self, error: BaseException | None = None) -> None:
        """End this process where it is none of ours and has come back, by an `error` perhaps. In a worker nothing happens."""
        if os.getpid() == self.parent or not self.parent:
            return
        status = 1
        try:
            if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
                status = error.code or 0  # it was meant to end there
            else:
                how = f":\n{trace(error)}" if error else "\n"
                complain(f"prefork: a process that the application has forked in worker {self.parent} came back, and ends{how}")
            sys.stdout.flush()
        finally:
            os._exit(status)  # without exit functions: they would end what it has in common with the worker


family = Family()
