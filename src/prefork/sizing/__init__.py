"""How many workers a machine can have and users need: pure, from numbers to numbers with their reasons.

Three published rules disagree (docs/sizing.md has them side by side). Each is kept as it was written; `size` applies one of them
and what bounds all of them: memory, plan, users, the database's connections. This room imports no other and looks at nothing.
"""

from prefork.sizing.database import Database
from prefork.sizing.machine import Machine
from prefork.sizing.plans import PLANS
from prefork.sizing.rules import RULES
from prefork.sizing.size import Demand, Sizing, decisive, size

__all__ = ["PLANS", "RULES", "Database", "Demand", "Machine", "Sizing", "decisive", "size"]
