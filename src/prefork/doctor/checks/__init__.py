"""Every check, one small pure function each; a module is a group. Importing this room registers them all."""

from prefork.doctor.checks import connections, history, limits, live, machine, nodes, proxy, safety, service, site, upkeep, workers
from prefork.doctor.verdict import registered

GROUPS = (workers, limits, machine, service, proxy, live, site, nodes, connections, upkeep, safety, history)  # as people read them
CHECKS = {each.name: each for group in GROUPS for each in registered(group.__name__)}
