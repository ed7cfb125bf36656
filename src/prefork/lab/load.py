"""A steady load through the edge, with exact accounts: orders written, pages read, messages heard.

Whoever uses it has joined the lab's network. Each request has a connection of its own, as a new visitor's, and nothing is sent
twice. An order is acknowledged when its answer has arrived; then its row, its job and its message are owed.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self

from prefork.lab.accounts import Account, Ledger, Request
from prefork.lab.door import ANSWERING, Away, Door, Visitor, trusting
from prefork.lab.listener import AGAIN, Listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PERIOD = 0.1  # seconds from one request of a thread to its next one
WRITERS = 2
PAGES = ("/last", "/slow")  # of which one is nearly always under way
SETTLING = 90.0  # seconds that jobs and messages may take, a lost lease among them


@dataclass
class Load:
    """Readers, writers and a listener, from `start` to `stop`, all with this cookie. `ledger` grows meanwhile."""

    door: Door
    cookie: str = ""
    listening: Callable[[Door, Ledger], Listener] = Listener
    first: int = field(default_factory=lambda: time.time_ns() // 1_000_000 * 1_000)  # the first order's key
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._trust = trusting()
        self._lock = threading.Lock()
        self._next = self.first
        self._visitors = [threading.Thread(target=self._visit, args=("write",), daemon=True) for _ in range(WRITERS)]
        self._visitors += [threading.Thread(target=self._visit, args=("read", page), daemon=True) for page in PAGES]
        self._listener = self.listening(self.door, self.ledger)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._listener.stop()

    def start(self) -> None:
        """Begin: first to listen, then to write."""
        self._listener.start()
        until = time.monotonic() + ANSWERING
        while not self.ledger.listening and time.monotonic() < until:
            time.sleep(PERIOD)
        for thread in self._visitors:
            thread.start()

    def stop(self) -> Account:
        """End the requests, wait until what is owed has arrived or will not, and give the account of all."""
        self._over.set()
        for thread in self._visitors:
            thread.join(2 * ANSWERING)
        kept = self._settle()
        self._listener.stop()
        self._listener.join(2 * ANSWERING)
        return self.ledger.account(kept)

    def _settle(self) -> dict[str, Any]:
        until = time.monotonic() + SETTLING
        while True:
            kept = self._kept()
            if self.ledger.settled(kept) or time.monotonic() > until:
                return kept
            time.sleep(AGAIN)

    def _kept(self) -> dict[str, Any]:
        """What the application has. Raises OSError, HTTPException after as long as jobs may take."""
        until = time.monotonic() + SETTLING
        while True:
            try:
                return dict(json.loads(self._exchange("GET", f"/ledger?{self.first}")[1]))
            except (OSError, HTTPException, ValueError):
                if time.monotonic() > until:
                    raise
                time.sleep(AGAIN)

    def _visit(self, kind: str, page: str = "") -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self._request(kind, page, began)
            self._over.wait(max(0.0, began + PERIOD - time.monotonic()))

    def _request(self, kind: str, page: str, began: float) -> None:
        key = self._key() if kind == "write" else 0
        method, target = ("POST", f"/orders?{key}") if kind == "write" else ("GET", page)
        try:
            status, said = self._exchange(method, target)
        except (OSError, HTTPException) as error:
            why = str(error) or type(error).__name__
            self.ledger.note(Request(kind, began, time.monotonic(), refused=isinstance(error, Away), why=why))
            return
        why = "" if status == 200 else f"status {status}: {said[:120].decode(errors='replace')}"
        self.ledger.note(Request(kind, began, time.monotonic(), key=key, why=why))

    def _key(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def _exchange(self, method: str, target: str) -> tuple[int, bytes]:
        visitor = Visitor(self.door, self._trust)
        try:
            visitor.request(method, target, headers={"Connection": "close", "Cookie": self.cookie})
            answer = visitor.getresponse()
            return answer.status, answer.read()
        finally:
            visitor.close()
