"""Every option, declared once, in the groups that `--help` and the documentation show: a module for each.

A declaration's help says in one sentence what the value means; its kind and range say what may be written. An option whose change
needs a restart is held by an open socket or file, or by a process that outlives reloads.
"""

from prefork.config.groups.alerts import Alerts
from prefork.config.groups.application import Application
from prefork.config.groups.console import Console
from prefork.config.groups.http import HTTP
from prefork.config.groups.limits import Limits
from prefork.config.groups.live import Live
from prefork.config.groups.logging import Logging
from prefork.config.groups.process import Process
from prefork.config.groups.sessions import Sessions
from prefork.config.groups.store import Store
from prefork.config.groups.timeouts import Timeouts
from prefork.config.groups.workers import Workers

__all__ = [
    "GROUPS",
    "HTTP",
    "Alerts",
    "Application",
    "Console",
    "Limits",
    "Live",
    "Logging",
    "Process",
    "Sessions",
    "Store",
    "Timeouts",
    "Workers",
]

GROUPS: tuple[type, ...] = (Application, Workers, HTTP, Live, Limits, Timeouts, Store, Logging, Process, Sessions, Console, Alerts)
