"""Sessions in the memory of one process, for tests and `workers = 0`: several workers would each have their own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from prefork.sessions.stores.whole import changed

if TYPE_CHECKING:
    from collections.abc import Collection

    from prefork.sessions.store import Fields


class MemoryStore:
    """Sessions that end with their process."""

    shared = False

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[str, tuple[float, Fields]] = {}  # when it expires, by the monotonic clock, and what is kept

    def load(self, key: str) -> Fields | None:
        """See `Store`."""
        expires, fields = self.kept.get(key, (0.0, {}))
        return fields if expires > time.monotonic() else None

    def create(self, key: str, fields: Fields, seconds: float) -> None:
        """See `Store`."""
        self.kept[key] = time.monotonic() + seconds, fields

    def update(self, key: str, fields: Fields, gone: Collection[str], seconds: float) -> bool:
        """See `Store`."""
        with self.lock:
            current = self.load(key)
            if current:
                self.create(key, changed(current, fields, gone), seconds)
            return current is not None

    def end(self, key: str, seconds: float) -> bool:
        """See `Store`."""
        with self.lock:
            kept = self.load(key) is not None
            if kept:
                self.create(key, {}, seconds)
            return kept

    def delete(self, key: str) -> None:
        """See `Store`."""
        with self.lock:
            self.kept.pop(key, None)

    def collect(self, most: int | None = None) -> int:
        """See `Store`."""
        with self.lock:
            over = [key for key, (expires, _) in self.kept.items() if expires <= time.monotonic()][:most]
            for key in over:
                del self.kept[key]
            return len(over)
