"""One request of an application that is called in threads, such as a long poll: asked again when what it waits for has happened.

Until then no thread is held. The answer that nothing has happened is kept for when nothing does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork.worker.live import direct
from prefork.worker.live.poll import LONGEST, READ_WITHIN
from prefork.worker.live.wire import Wire
from prefork.worker.output import complain
from prefork.worker.sorry import give_up
from prefork.worker.traces import trace

if TYPE_CHECKING:
    import asyncio

    from prefork.messages import Request
    from prefork.worker.live.called import Answer, Called
    from prefork.worker.live.keeper import Keeper


class Inquiry:
    """`busy` while a thread is at it, `rung` when something has happened meanwhile, `late` when it has waited long enough."""

    __slots__ = (
        "answered", "busy", "called", "client", "closing_at", "keeper", "kept", "late", "request", "rung", "timer", "watch", "wire",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, called: Called, descriptor: int, request: Request) -> None:
        self.keeper = keeper
        self.called = called
        self.request = request
        self.client = (request.client[0], request.request_id)
        self.answered = self.busy = self.rung = self.late = False
        self.kept: Answer | None = None
        self.closing_at = float("inf")
        self.timer: asyncio.TimerHandle | None = None
        self.wire = Wire(keeper.loop, descriptor, keeper.guarded(self, self.receive))
        self.watch = called.application.watch(request, self.ring_from_thread)

    def begin(self) -> None:
        """Ask, for the first time."""
        self.wire.listen()
        self.timer = self.keeper.loop.call_later(LONGEST, self.keeper.guarded(self, Inquiry.expire), self)
        self.ask()

    def ask(self) -> None:
        """Have the application answer as things are now."""
        self.busy, self.rung = True, False
        self.called.call(self.watch.ask, self.keeper.guarded(self, self.told))

    def told(self, future: asyncio.Future[Answer]) -> None:
        """The application has answered."""
        self.busy = False
        if self.answered:
            self.part()
            return
        try:
            answer = future.result()
        except Exception as error:  # noqa: BLE001 - whatever it raises ends one request
            target = ascii(self.request.target.decode("latin-1"))[1:-1]
            complain(f"prefork: {self.request.method} {target} ({self.client[1]}) raised in worker {os.getpid()}:\n{trace(error)}")
            answer = None
        self.kept = answer
        if answer is None or not self.watch.waits or self.late:
            self.give(answer)
        elif self.rung:
            self.ask()

    def ring_from_thread(self) -> None:
        """As `ring`, for threads."""
        self.keeper.loop.call_soon_threadsafe(self.keeper.guarded(self, Inquiry.ring), self)

    def ring(self) -> None:
        """What it waits for has happened."""
        if self.busy:
            self.rung = True
        elif not self.answered:
            self.ask()

    def expire(self) -> None:
        """It has waited long enough: nothing has happened."""
        if self.busy:
            self.late = True
        elif not self.answered:
            self.give(self.kept)

    def give(self, answer: Answer | None) -> None:
        """Answer, with a page where there is none, and end the connection: the next request is parsed by the dispatcher."""
        reply = direct.reply(self.request, self.wire, self.keeper.terms.send_queue)
        if answer is None:
            give_up(reply, 500)
        else:
            reply.begin(answer.status, list(answer.headers), len(answer.body))
            reply.write(answer.body)
        self.wire.end()
        self.finish(reply.code, reply.sent)

    def finish(self, status: int, sent: int) -> None:
        """It is answered."""
        self.answered = True
        self.closing_at = self.keeper.loop.time() + READ_WITHIN
        self.keeper.leaving[self] = None
        if self.timer:
            self.timer.cancel()
        self.keeper.ended(self.request.number, status, sent)
        if not self.busy:
            self.part()

    def part(self) -> None:
        """Nothing more is asked."""
        self.called.call(self.watch.leave, lambda _: None)

    def receive(self, data: bytes) -> None:
        """The client has left, or sends what nobody reads."""
        if not data:
            self.cut()

    def look(self) -> None:
        """It ends by itself soon enough."""

    def dismiss(self) -> None:
        """The worker leaves: who waits is told that nothing has happened, and asks another one. Others get their answer."""
        if not self.answered:
            self.closing_at = self.keeper.loop.time() + READ_WITHIN
            self.keeper.leaving[self] = None
            self.expire()

    def cut(self) -> None:
        """Close it now."""
        if not self.answered:
            self.finish(0, 0)
        self.wire.close()
        self.keeper.forget(self)
