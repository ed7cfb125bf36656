"""What people and programs can tell the master: commands on the control socket, and signals. Each is a few words to `Master`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from prefork import __version__
from prefork.config.kinds import AUTO
from prefork.events import ScaleRefused
from prefork.master import rotation
from prefork.master.pools import HTTP, MOST_WORKERS, POOLS
from prefork.master.recorded import recorded
from prefork.master.routes import routes
from prefork.master.status import distributions, snapshot, uptime
from prefork.sizing.plans import beyond

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.loop import Master
    from prefork.master.pools import Pool

    Answer = Callable[[dict[str, Any]], None]

PREFIX = "PREFORK_"
PLACES = ("HOME", "ODOO_RC", "XDG_DATA_HOME")  # what defaults depend on
POOLS_BY_NAME = {pool.name: pool for pool in POOLS}


def command(master: Master, request: dict[str, Any], answer: Answer) -> None:
    """Obey one request of the control socket. Each answer names our release, for those who are of another one."""
    obeyed(master, request, lambda said: answer({**said, "version": __version__}))


def obeyed(master: Master, request: dict[str, Any], answer: Answer) -> None:
    """Do what is asked, and say what has become of it."""
    name = request["command"]
    if name == "status":
        answer({"ok": True, **snapshot(master)})
    elif name == "routes":
        answer({"ok": True, "uptime": uptime(master), "routes": routes(master.scoreboard)})
    elif name == "metrics":
        answer({"ok": True, **snapshot(master), "distributions": distributions(master)})
    elif name == "reload":
        master.reload_code(answer)
    elif name == "scale":
        scale(master, request.get("pool", HTTP.name), request.get("workers"), answer)
    elif name == "retire":
        replace(master, request.get("pid"), answer)
    elif name == "origin":
        answer({"ok": True, **origin(master)})
    elif name == "stacks":
        master.inquiry.begin(answer)
    elif name == "trace":
        answer({"ok": True, **recorded(master)})
    elif name == "stop":
        master.stop("stop command")
        answer({"ok": True})
    else:
        known = "status, routes, metrics, trace, reload, scale, retire, stacks, origin or stop"
        answer({"ok": False, "error": f"there is no command {name!r}: use {known}"})


def scale(master: Master, name: object, workers: object, answer: Answer) -> None:
    """Change the number of a pool's workers."""
    pool = POOLS_BY_NAME.get(str(name))
    if pool is None:
        answer({"ok": False, "error": f"there is no pool {name!r}: use one of {', '.join(POOLS_BY_NAME)}"})
    elif workers == AUTO and pool is HTTP:
        scale_itself(master, answer)
    elif not isinstance(workers, int) or isinstance(workers, bool) or not pool.least <= workers <= MOST_WORKERS:
        answer({"ok": False, "error": f"workers must be a whole number from {pool.least} to {MOST_WORKERS}, not {workers!r}"})
    elif obstacle := pool.fixed(master.settings) or excess(master, pool, workers):
        answer({"ok": False, "error": obstacle})
    else:
        master.scale(pool.name, workers)
        answer({"ok": True, "pool": pool.name, "workers": workers})


def replace(master: Master, pid: object, answer: Answer) -> None:
    """Have a worker replaced: it finishes what it does, and leaves when another one is ready in its place."""
    worker = next((worker for worker in master.crew.ready() if worker.pid == pid), None)
    if worker is None:
        answer({"ok": False, "error": f"no worker with the pid {pid!r} is ready; it may have left just now"})
    else:
        worker.worn = True
        answer({"ok": True, "worker": worker.name, "pid": worker.pid})


def origin(master: Master) -> dict[str, Any]:
    """What the settings were read from, for those who read them again: our own account, or that of our processes."""
    found = master.settings.origin
    environ = {name: text for name, text in os.environ.items() if name.startswith(PREFIX) or name in PLACES}
    if found is None:
        return {"file": None, "flags": {}, "cwd": "/", "environ": environ}
    file = None if found.file is None else str(found.file)
    return {"file": file, "flags": dict(found.flags), "cwd": str(found.cwd), "environ": environ}


def scale_itself(master: Master, answer: Answer) -> None:
    """Have the server find the number of HTTP workers again, after somebody has set one."""
    if not master.settings.automatic:
        answer({"ok": False, "error": "the number of workers is set in the configuration; set workers = auto there and reload"})
        return
    master.autoscaler.let_go()
    answer({"ok": True, "pool": HTTP.name, "workers": AUTO})


def excess(master: Master, pool: Pool, workers: int) -> str:
    """Why the plan does not allow so many workers of a pool; empty where it does."""
    said = beyond(master.settings.plan, workers) if pool is HTTP else ""
    return f"{said}; change the option plan and reload" if said else ""


def obey(master: Master, number: signal.Signals) -> None:
    """Obey one signal."""
    if number is signal.SIGCHLD:
        master.burial.due = True
    elif number is signal.SIGINT:
        master.interrupt(number.name)
    elif number is signal.SIGTERM:
        master.stop(number.name)
    elif number is signal.SIGHUP and deserted(master):
        master.interrupt("the terminal was closed")
    elif number is signal.SIGHUP:
        master.reload_code(unheard)
    elif number is signal.SIGQUIT:
        master.inquiry.begin(master.inquiry.log)
    elif number is signal.SIGUSR1:
        rotation.reopen(master)
    elif number in {signal.SIGTTIN, signal.SIGTTOU} and not HTTP.fixed(master.settings):
        step(master, 1 if number is signal.SIGTTIN else -1)


def step(master: Master, change: int) -> None:
    """Want one HTTP worker more, or one less."""
    wanted = max(HTTP.least, min(MOST_WORKERS, master.supplies[HTTP.name].count + change))
    if change > 0 and (reason := excess(master, HTTP, wanted)):
        master.journal.emit(ScaleRefused(HTTP.name, wanted, reason))
    else:
        master.scale(HTTP.name, wanted)


def deserted(master: Master) -> bool:
    """Whether the terminal is gone from which a developer has started the server. A hang-up means a reload otherwise."""
    developing = master.settings.threaded or master.settings.dev
    return developing and master.terminal is not None and master.terminal.closed()


def unheard(said: dict[str, Any]) -> None:
    """The answer to a signal: nobody waits for it."""
