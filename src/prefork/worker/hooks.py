"""The application's own functions in a worker's life: after the fork, before its first request, and when it leaves.

They are found where the application is loaded, so that a misspelt name is refused with the code it belongs to. What a hook raises
on the way in is the worker's failure to get ready; on the way out it is only said.
"""

from __future__ import annotations

import traceback
from typing import Any, Callable, NamedTuple

from prefork.worker.names import function
from prefork.worker.output import complain


class Worker(NamedTuple):
    """What a hook is told about the process that it is called in."""

    name: str
    pid: int
    generation: int


class HookFailed(Exception):
    """A hook has raised; the sentence names both."""


class Hooks:
    """The functions for `after_fork`, `worker_ready` and `worker_exit`, by `settings` such as `{"after_fork": "shop:connect"}`."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.functions: dict[str, Callable[[Worker], Any]] = {}

    def load(self) -> None:
        """Find them. Raises ImportError, AttributeError, TypeError with a sentence, or what their modules raise."""
        for moment, name in self.settings.items():
            self.functions[moment] = function(f"{moment} = {name}", name)

    def call(self, moment: str, worker: Worker) -> None:
        """Call the function for this moment, if there is one. Raises HookFailed."""
        if moment not in self.functions:
            return
        try:
            self.functions[moment](worker)
        except BaseException as error:
            raise HookFailed(f"{moment} = {self.settings[moment]} raised {type(error).__name__}: {error}") from error

    def leave(self, worker: Worker) -> None:
        """Call `worker_exit`; a failure is logged, and the worker leaves all the same."""
        try:
            self.call("worker_exit", worker)
        except HookFailed:
            complain(f"prefork: worker {worker.name} (pid {worker.pid}) leaves, but:\n{traceback.format_exc()}")
