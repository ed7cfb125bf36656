"""How busy a server's workers are, and how the machine is that they run on.

Two measures: by processor time, which works on any server's processes and cannot see a worker that waits; and in flight, which
Prefork's own dispatcher keeps. This room reads /proc and /sys, and decides nothing: whom to ask is the command line's business.
"""

from prefork.usage.health import Health, read_clock, read_health
from prefork.usage.levels import level
from prefork.usage.measures import Share
from prefork.usage.processes import NoSuchProcess
from prefork.usage.report import Report, of_server, of_tree

__all__ = ["Health", "NoSuchProcess", "Report", "Share", "level", "of_server", "of_tree", "read_clock", "read_health"]
