"""What people and programs can tell the master: commands on the control socket, and signals. Each is a few words to `Master`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from prefork.master.status import snapshot
from prefork.scoreboard import SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.loop import Master

    Answer = Callable[[dict[str, Any]], None]

MOST_WORKERS = SLOTS // 2  # during a reload there may be one more of each


def command(master: Master, request: dict[str, Any], answer: Answer) -> None:
    """Obey one request of the control socket."""
    name = request["command"]
    if name == "status":
        answer({"ok": True, **snapshot(master)})
    elif name == "reload":
        master.reload_code(answer)
    elif name == "scale":
        scale(master, request.get("workers"), answer)
    elif name == "stacks":
        master.write_stacks(answer)
    elif name == "stop":
        master.stop("stop command")
        answer({"ok": True})
    else:
        answer({"ok": False, "error": f"there is no command {name!r}: use status, reload, scale, stacks or stop"})


def scale(master: Master, workers: object, answer: Answer) -> None:
    """Change the number of HTTP workers."""
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST_WORKERS:
        answer({"ok": False, "error": f"workers must be a whole number from 1 to {MOST_WORKERS}, not {workers!r}"})
    elif not master.settings.http_enable:
        answer({"ok": False, "error": "this server has no HTTP workers (http_enable = False)"})
    elif master.settings.threaded:
        sentence = (
            "threaded mode (workers = 0) has one process, however many are wanted; set workers or threads in the file and reload"
        )
        answer({"ok": False, "error": sentence})
    else:
        master.scale(workers)
        answer({"ok": True, "workers": workers})


def obey(master: Master, number: signal.Signals) -> None:
    """Obey one signal."""
    if number is signal.SIGCHLD:
        master.children_ended()
    elif number is signal.SIGINT:
        master.interrupt(number.name)
    elif number is signal.SIGTERM:
        master.stop(number.name)
    elif number is signal.SIGHUP and deserted(master):
        master.interrupt("the terminal was closed")
    elif number is signal.SIGHUP:
        master.reload_code(unheard)
    elif number is signal.SIGQUIT:
        master.write_stacks(master.log_stacks)
    elif number is signal.SIGUSR1:
        master.reopen_log()
    elif number is signal.SIGTTIN and scalable(master):
        master.scale(min(MOST_WORKERS, master.count + 1))
    elif number is signal.SIGTTOU and scalable(master):
        master.scale(max(1, master.count - 1))


def scalable(master: Master) -> bool:
    """Whether there are HTTP workers to be more or less of."""
    return master.settings.http_enable and not master.settings.threaded


def deserted(master: Master) -> bool:
    """Whether the terminal is gone from which a developer has started the server. A hang-up means a reload otherwise."""
    developing = master.settings.threaded or master.settings.dev
    return developing and master.terminal is not None and master.terminal.closed()


def unheard(said: dict[str, Any]) -> None:
    """The answer to a signal: nobody waits for it."""
