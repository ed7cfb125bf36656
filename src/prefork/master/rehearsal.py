"""One loading of the application that serves nobody (`stop_after_init`): to see whether it loads, or for what loading it does.

It claims nothing of a server's: one may be running with the same file.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from prefork.config.reserves import overbooked
from prefork.events import TemplateFailed, TemplateLoaded
from prefork.journal import Journal, Sink
from prefork.kernel import set_title
from prefork.master import owner
from prefork.master.generation import Generation
from prefork.scoreboard import Scoreboard

if TYPE_CHECKING:
    from prefork.config import Settings
    from prefork.master.spawn import Owner

LOADED, UNUSABLE, FAILED = 0, 1, 3  # exit statuses


def rehearse(settings: Settings) -> int:
    """Load the application as a server would, and let it go; returns the exit status."""
    set_title(f"prefork: rehearsal [{settings.subject}]")
    try:
        log = owner.open_log(settings.logfile)
    except OSError as error:
        sys.stderr.write(owner.unusable(error))
        return UNUSABLE
    journal = Journal(Sink(log), level=settings.log_level, as_json=settings.log_format == "json", logger="prefork.master")
    generation = Generation(1, settings)
    generation.preload = "true"  # without that, loading is what a worker does
    event = load(generation, owner.owner_of(settings.user, settings.group), log)
    journal.emit(event)
    journal.flush()
    return LOADED if isinstance(event, TemplateLoaded) else FAILED


def load(generation: Generation, whose: Owner, log: int) -> TemplateLoaded | TemplateFailed:
    """Start a template and wait for what it says, and for its end."""
    ours, theirs = socket.socketpair()
    nowhere = os.open("/", os.O_PATH | os.O_CLOEXEC)  # nobody will spool or keep anything,
    nothing = os.memfd_create("prefork-secret", os.MFD_CLOEXEC)  # or sign
    board = Scoreboard.create()
    try:
        descriptors = [board.descriptor, theirs.fileno(), nowhere, nowhere, nowhere, nothing]
        template = generation.start(whose, log, descriptors, at_terminal=False)
    except OSError as error:
        reason = f"cannot execute {generation.settings.python}: {error.strerror} (option python)"
        return TemplateFailed(generation.number, reason, None)
    finally:
        ours.close()
        theirs.close()
        os.close(nowhere)
        os.close(nothing)
    said, _ = template.channel.receive()
    template.channel.close()
    code = template.process.wait()
    if said is None:
        return TemplateFailed(generation.number, f"it ended while loading: exit status {code}; see the lines above", None)
    if said["kind"] == "failed":
        return TemplateFailed(generation.number, said["reason"], said["traceback"])
    if reason := overbooked(generation.settings, looped=said["interface"] == "asgi"):
        return TemplateFailed(generation.number, reason, None)
    return TemplateLoaded(generation.number, time.monotonic() - generation.started, said["preloaded"], said["interface"])
