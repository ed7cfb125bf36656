"""Sessions in the memory of one process, for tests and `workers = 0`: several workers would each have their own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.sessions.store import Change


class MemoryStore:
    """Sessions that end with their process."""

    shared = False

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[str, tuple[float, bytes]] = {}  # when it expires, by the monotonic clock, and what is kept

    def load(self, key: str) -> bytes | None:
        """See `Store`."""
        expires, payload = self.kept.get(key, (0.0, b""))
        return payload if expires > time.monotonic() else None

    def create(self, key: str, payload: bytes, seconds: float) -> None:
        """See `Store`."""
        self.kept[key] = time.monotonic() + seconds, payload

    def update(self, key: str, change: Change, seconds: float) -> bool:
        """See `Store`."""
        with self.lock:
            current = self.load(key)
            if current is not None:
                self.create(key, change(current), seconds)
            return current is not None

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
