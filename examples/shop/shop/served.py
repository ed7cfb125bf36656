"""What this process has served: the numbers in the footer of each page and in /who.

Counts requests of the process it runs in; knows nothing about the server around it.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from typing import Any

from flask import Flask, g, request


class Worker:
    """The process that answers; `loaded_by` is the process that imported the shop, its parent when preloaded."""

    def __init__(self) -> None:
        self.loaded_by = os.getpid()
        self.served = 0
        self._numbers = itertools.count(1)

    def install(self, app: Flask) -> None:
        app.extensions["worker"] = self
        app.before_request(self.begin)
        app.context_processor(lambda: {"worker": self})

    def begin(self) -> None:
        g.began = time.perf_counter()
        self.served = next(self._numbers)

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def attempt(self) -> int:
        """1, or 2 when an earlier worker died with this request and the server asked once more."""
        return int(request.environ.get("prefork.attempt", 1))

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - float(g.began)) * 1000

    def describe(self) -> dict[str, Any]:
        return {
            "pid": self.pid,
            "served": self.served,
            "loaded_by": self.loaded_by,
            "preloaded": self.loaded_by != self.pid,
            "attempt": self.attempt,
            "python": ".".join(map(str, sys.version_info[:3])),
        }
