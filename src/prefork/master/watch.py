"""The watcher's process as the master sees it (`--dev`): started, listened to, and started again when it dies.

It knows nothing that it could not find out again, so it is killed as soon as it is not wanted or has to watch something else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prefork.events import FilesChanged, WatcherFailed, Watching
from prefork.master.attendant import Attendant
from prefork.master.spawn import start_watcher
from prefork.orders import bond

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.master.loop import Master
    from prefork.master.spawn import Death, Helper


class Watch(Attendant):
    """`watched` is what the watcher was told to watch."""

    def __init__(self, master: Master) -> None:
        super().__init__(master)
        self.watched: dict[str, Any] | None = None
        self.reason = ""  # why it leaves, in its own words

    def step(self, now: float) -> None:
        """Have a watcher where one is wanted, and let it watch what is wanted."""
        settings = self.master.settings
        wanted = scope(settings) if settings.dev else None
        if self.process and self.watched != wanted:
            self.dismiss()
        if self.process:
            self.backoff.lives(self.started, self.started, now)
        elif wanted and now >= self.backoff.not_before:
            self.watched = wanted
            self._start(now, wanted)

    def _start(self, now: float, wanted: dict[str, Any]) -> None:
        try:
            process = self.begin(start_watcher, self._hear, now)
        except OSError as error:
            self._failed(f"cannot execute {error.filename}: {error.strerror}")
            return
        process.channel.send("watch", **bond(), **wanted)

    def _hear(self, process: Helper) -> None:
        said, _ = process.channel.receive()
        if said is None:
            self.master.unhear(process.channel.wire)
        elif said["kind"] == "watching":
            self.master.journal.emit(Watching(said["files"], str(self.master.settings.app_dir)))
        elif said["kind"] == "changed":
            self.master.journal.emit(FilesChanged(named(said["files"], said["count"], str(self.master.settings.app_dir))))
            self.master.code_changed()
        else:
            self.reason = said["reason"]

    def died(self, death: Death) -> None:
        """A watcher is dead."""
        if self.bury(death):
            reason, self.reason = self.reason or f"the watcher died: {death.how()}", ""
            self._failed(reason)

    def _failed(self, reason: str) -> None:
        delay = self.backoff.failed(time.monotonic())
        self.master.journal.emit(WatcherFailed(reason, delay))


def scope(settings: Settings) -> dict[str, Any]:
    """What to watch."""
    files = [str(settings.file)] if settings.file else []
    return {"root": str(settings.app_dir), "data_dir": str(settings.data_dir), "files": files}


def named(files: list[str], count: int, root: str) -> tuple[str, ...]:
    """The first of `count` changed files as the log names them: by their paths below `root`."""
    shown = [path.removeprefix(root + "/") for path in files]
    return (*shown, f"and {count - len(shown)} more") if count > len(shown) else tuple(shown)
