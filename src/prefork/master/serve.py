"""Starts a server: everything that can be refused is refused here, before the first process exists."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from prefork.config.problems import DEFAULT
from prefork.events import PortUnheard
from prefork.journal import Journal, Sink
from prefork.kernel import adopt_orphans, open_up_to, set_title
from prefork.master import owner
from prefork.master.console import open_console
from prefork.master.descriptors import lacking
from prefork.master.listeners import CannotListen, listeners, live_listeners
from prefork.master.loop import Master
from prefork.master.quarters import guest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import Settings
    from prefork.master.listeners import Listener

UNUSABLE = 1  # the exit status when the settings can't be used on this machine at this moment


def serve(settings: Settings, reread: Callable[[], Settings]) -> int:
    """Run the server described by `settings` until it is stopped; returns the exit status.

    `reread` makes the settings anew for a reload and may raise ConfigurationError. Reasons not to start are said on standard error.
    """
    open_up_to()  # each worker takes some, with an event loop one for each request it may have
    if reason := lacking(settings, looped=settings.interface == "asgi"):
        sys.stderr.write(f"prefork: cannot start: {reason}\n")
        return UNUSABLE
    with ExitStack() as leaving:
        try:
            master = prepared(settings, reread, leaving)
        except (owner.InUse, CannotListen) as error:
            sys.stderr.write(f"prefork: {error}\n")
            return UNUSABLE
        except OSError as error:
            sys.stderr.write(owner.unusable(error))
            return UNUSABLE
        return master.run()


def prepared(settings: Settings, reread: Callable[[], Settings], leaving: ExitStack) -> Master:
    """The master, with everything that it takes from the system; what it leaves behind is undone by `leaving`.

    Raises InUse, CannotListen, OSError.
    """
    leaving.callback(os.close, owner.claim(settings.data_dir))
    whose = owner.owner_of(settings.user, settings.group)
    spool = owner.open_spool(settings.data_dir, whose)
    places = [owner.open_place(place, whose) for place in (settings.session_dir, settings.filestore)]
    secret = owner.open_secret(settings.session_secret_file)
    guest = guest_of(settings)
    log = owner.open_log(settings.logfile, guest.group if guest else None)
    opened = []
    for listener in listeners(settings) if settings.listens else ():
        leaving.callback(listener.remove)
        opened.append(listener)
    unheard = ""
    if not any(listener.passed for listener in opened):
        unheard = open_live(settings, opened)
    if settings.pidfile:
        owner.write_pid(settings.pidfile)
        leaving.callback(owner.remove_pid, settings.pidfile)
    adopt_orphans()
    set_title(f"prefork: master [{settings.subject}]")
    journal = Journal(Sink(log), level=settings.log_level, as_json=settings.log_format == "json", logger="prefork.master")
    if unheard:
        journal.emit(PortUnheard(unheard))
    console = open_console(settings, guest, journal)
    return Master(settings, reread, opened, spool, [*places, secret], log, journal, console)


def open_live(settings: Settings, opened: list[Listener]) -> str:
    """Open the sockets for WebSockets alone; returns why there are none where they are not missed. Raises CannotListen.

    Nobody has asked for the default port, a second server on the machine has it taken, and the main port serves WebSockets as well.
    """
    try:
        opened += live_listeners(settings)
    except CannotListen as error:
        if not settings.http_enable or settings.source("websocket_port") is not DEFAULT:
            raise
        return str(error)
    return ""
