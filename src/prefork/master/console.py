"""The console's process as the master sees it: started beside the workers, and started again when it dies.

Nothing depends on it. What keeps it from running is one warning; its death is one more, and never anybody else's.
"""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

from prefork.control.server import Visitor
from prefork.events import ConsoleDied, ConsoleFailed, ConsoleReady, ConsoleUnavailable
from prefork.master.attendant import Attendant
from prefork.master.backoff import Backoff
from prefork.master.listeners import CannotListen, console_listener
from prefork.master.quarters import GUESTS, furnish, guest_of
from prefork.master.spawn import start_console
from prefork.orders import bond

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.journal import Journal
    from prefork.master.listeners import Listener
    from prefork.master.loop import Master
    from prefork.master.spawn import Death, Helper, Owner

LIBRARIES = ("argon2", "fastapi", "python_multipart", "uvicorn")
CAP = 60.0  # seconds between two starts that fail: each takes a second of a processor for its imports
PATIENCE = 5.0  # seconds for the server to become ready, undisturbed by the console's imports
ORDERS = ("console_certificate", "console_key", "console_proxies", "console_insecure", "log_format", "log_level")


def open_console(settings: Settings, guest: Owner | None, journal: Journal) -> Listener | None:
    """The console's socket, where there is to be one; the log says what is in the way. `guest`: see `quarters`."""
    if not settings.console:
        return None
    said = obstacle()
    if not said:
        try:
            if guest:
                furnish(settings.data_dir, guest)
            return console_listener(settings)
        except CannotListen as error:
            said = str(error)
        except OSError as error:
            said = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
    journal.emit(ConsoleUnavailable(said))
    return None


def obstacle() -> str:
    """Why there can be no console, whatever its port; empty where nothing is in the way."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        advice = "install prefork[console], or set console = False"
        return f"{', '.join(missing)} cannot be imported by Prefork's Python; {advice}"
    return ""


class Console(Attendant):
    """`listener` is its socket, None where there is to be no console; it `answers` once it has said so.

    `reason` is why the one that runs leaves, in its own words, and `told` the one that the log has: it is said once.
    """

    def __init__(self, master: Master, listener: Listener | None) -> None:
        super().__init__(master)
        self.listener = listener
        self.answers = False
        self.reason = self.told = ""
        self.backoff = Backoff(CAP)
        self.guest = guest_of(master.settings) if listener else None

    @property
    def readers(self) -> int | None:
        """The group of a console of another account, for what that reads."""
        return self.guest.group if self.guest else None

    def visitor(self) -> Visitor | None:
        """What such a console may ask of the master."""
        return Visitor(self.guest.user, GUESTS) if self.guest and self.guest.user is not None else None

    def step(self, now: float) -> None:
        """Have a console, once the workers have had their turn."""
        if self.process:
            if self.answers:  # its imports alone take longer than what counts as a life elsewhere
                self.backoff.lives(self.started, self.started, now)
        elif self.listener and now >= self.backoff.not_before and self._turn_has_come(now):
            self._start(self.listener, now)

    def _turn_has_come(self, now: float) -> bool:
        return self.master.staffing.complete or now - self.master.started > PATIENCE

    def _start(self, listener: Listener, now: float) -> None:
        self.answers, self.reason = False, ""
        try:
            process = self.begin(start_console, self._hear, now)
        except OSError as error:
            self._failed(f"cannot execute {error.filename}: {error.strerror}")
            return
        options = told(self.master.settings)
        process.channel.send("serve", [listener.wire.fileno()], **bond(), address=listener.address, **options)

    def _hear(self, process: Helper) -> None:
        said, _ = process.channel.receive()
        if said is None:
            self.master.unhear(process.channel.wire)
        elif said["kind"] == "ready":
            self.answers, self.told = True, ""
            self.master.journal.emit(ConsoleReady(said["address"]))
        else:
            self.reason = said["reason"]

    def switch_log(self, log: int) -> None:
        """Have it write to another log."""
        if self.process:
            self.process.channel.send("log", [log])

    def dismiss(self) -> None:
        """Have no console any more, and no socket of its."""
        self._close()
        super().dismiss()

    def _close(self) -> None:
        if self.listener:
            self.listener.close()
            self.listener = None

    def died(self, death: Death) -> None:
        """A console is dead."""
        if not self.bury(death) or not self.listener:
            return
        if self.reason:
            self._lacks(self.reason)
        else:
            self._failed(death.how())

    def _lacks(self, reason: str) -> None:
        """It cannot start as things are, such as a disk that is full: when they have changed, one of the next can."""
        self.backoff.failed(time.monotonic())
        if reason != self.told:
            self.told = reason
            self.master.journal.emit(ConsoleFailed(reason))

    def _failed(self, reason: str) -> None:
        delay = self.backoff.failed(time.monotonic())
        self.master.journal.emit(ConsoleDied(reason, delay))


def told(settings: Settings) -> dict[str, Any]:
    """What the console has to know of the settings from its beginning; all else it asks for."""
    options = {name: settings.value(name) for name in ORDERS}
    files = {name: str(value) for name, value in options.items() if name in {"console_certificate", "console_key"} and value}
    return {
        **options,
        "console_certificate": None,
        "console_key": None,
        **files,
        "data_dir": str(settings.data_dir),
        "name": settings.subject,
    }
