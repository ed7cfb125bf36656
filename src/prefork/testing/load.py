"""Closed-loop load with exact accounting: each thread sends its next request when the last one has been answered.

A request is ok, or it is a failure with all that is known about it: there is no third kind, no retry and no budget. The one thing
that is no failure is a connection which the server closed while it was idle, seen before the next request was sent.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from prefork.testing.client import Answer, BrokenAnswer, Connection, Request

Requests = Callable[[int, int], Request]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not answered as it expects: which one, when (seconds after the start), and what came instead."""

    thread: int
    number: int
    request: Request
    seconds: float
    status: int | None
    got: bytes
    reason: str

    def __str__(self) -> str:
        what = f"{self.request.method} {self.request.target}"
        return f"at {self.seconds:.3f} s thread {self.thread} request {self.number} {what}: {self.reason}"


@dataclass(slots=True)
class Outcome:
    """What became of a load. `latencies` are seconds, of the requests that were ok; `reconnects` counts idle connections closed."""

    sent: int = 0
    ok: int = 0
    failed: list[Failure] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    reconnects: int = 0

    @property
    def slowest(self) -> float:
        """The longest latency in seconds; 0 when nothing was ok."""
        return max(self.latencies, default=0.0)

    def quantile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of the requests did not exceed; 0 when nothing was ok."""
        ranked = sorted(self.latencies)
        return ranked[min(int(share * len(ranked)), len(ranked) - 1)] if ranked else 0.0

    def summary(self) -> str:
        """The counts in one line, then a line for each failure."""
        head = (
            f"{self.sent} sent, {self.ok} ok, {len(self.failed)} failed, {self.reconnects} reconnects, slowest {self.slowest:.3f} s"
        )
        return "\n".join([f"{head}, statuses {dict(self.statuses)}", *map(str, self.failed)])


class Load:
    """Threads that send requests to one server until they are stopped.

    `requests` is a sequence of targets to GET in turn, or a function of (thread, number) that gives a `Request`; all threads may
    call it at once. With `new_connections` each request has a connection of its own. `timeout`: seconds to wait for bytes.
    """

    def __init__(
        self,
        url: str,
        requests: Sequence[str] | Requests = ("/",),
        threads: int = 4,
        new_connections: bool = False,
        timeout: float = 30.0,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._requests = requests if callable(requests) else _in_turn(requests)
        self._new_connections, self._timeout = new_connections, timeout
        self._changed = threading.Condition()
        self._outcome = Outcome()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), name=f"load {n}", daemon=True) for n in range(threads)]
        self._started = 0.0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the threads."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def wait(self, answered: int, timeout: float = 30.0) -> None:
        """Wait until that many more requests have come to their end. Raises AssertionError after `timeout` seconds."""
        with self._changed:
            goal = self._outcome.sent + answered
            if not self._changed.wait_for(lambda: self._outcome.sent >= goal, timeout):
                raise AssertionError(f"not {answered} more requests ended within {timeout} s: {self._outcome.summary()}")

    def stop(self) -> Outcome:
        """Let each thread end its request, and give what became of all. May be called again."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(self._timeout + 5)
            if thread.is_alive():
                raise AssertionError(f"thread {thread.name} does not end: its request trickles in, or `requests` blocks")
        return self._outcome

    def _run(self, thread: int) -> None:
        with Connection(self._host, self._port, self._timeout) as connection:
            for number in count():
                if self._stopping.is_set():
                    return
                self._send(connection, thread, number)

    def _send(self, connection: Connection, thread: int, number: int) -> None:
        request, reconnect = Request(), False
        answer: Answer | None = None
        got, reason = b"", ""
        begun = time.monotonic()
        try:
            request = self._requests(thread, number)
            reconnect = connection.stale()
            if reconnect:
                connection.close()
            begun = time.monotonic()
            answer = connection.exchange(request, close=self._new_connections)
            if answer.status not in request.expect:
                got, reason = answer.body, f"status {answer.status}: {answer.body[:200]!r}"
        except BrokenAnswer as error:
            got, reason = error.got, str(error)
        except Exception as error:  # noqa: BLE001 - the thread must end with an account of it, not with a printed traceback
            reason = f"{type(error).__name__}: {error}"
        ended = time.monotonic()
        failure = Failure(thread, number, request, ended - self._started, answer.status if answer else None, got, reason)
        self._count(answer, ended - begun, failure if reason else None, reconnect)

    def _count(self, answer: Answer | None, latency: float, failure: Failure | None, reconnect: bool) -> None:
        with self._changed:
            outcome = self._outcome
            outcome.sent += 1
            outcome.reconnects += reconnect
            if answer is not None:
                outcome.statuses[answer.status] += 1
            if failure is None:
                outcome.ok += 1
                outcome.latencies.append(latency)
            else:
                outcome.failed.append(failure)
            self._changed.notify_all()


def _in_turn(targets: Sequence[str]) -> Requests:
    return lambda thread, number: Request(targets[(thread + number) % len(targets)])
