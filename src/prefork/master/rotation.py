"""After a rotation of the log file: everybody who writes to it gets the new one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork.events import RotationFailed
from prefork.master import owner

if TYPE_CHECKING:
    from prefork.master.loop import Master


def reopen(master: Master) -> None:
    """Open the log file again, where there is one. The workers of the dispatcher have it from there, each after its request."""
    path = master.settings.logfile
    if path is None:
        return
    try:
        new = owner.open_log(path, master.console.readers)
    except OSError as error:
        master.journal.emit(RotationFailed(str(path), error.strerror or str(error)))
        return
    for template in master.templates.running():
        template.channel.send("log", [new])
    master.front.tell("log", [new])
    master.console.switch_log(new)
    master.crew.pairs.switch_log(master.crew.ready(), new)
    old, master.log = master.log, new
    os.close(old)
    master.journal.sink.replace(new, keep=True)
