"""Every check, one small pure function each; a module is a group. Importing this room registers them all."""

from prefork.doctor.checks import connections, history, limits, live, machine, nodes, proxy, safety, service, site, upkeep, workers
from prefork.doctor.verdict import registered

GROUPS = (workers, limits, machine, service, proxy, live, site, nodes, connections, upkeep, safety, history)  # as people read them
ORDER = tuple(group.__name__.rpartition(".")[2] for group in GROUPS)
CHECKS = {each.name: each for group in GROUPS for each in registered(group.__name__)}
