"""Prefork and Odoo's own server, side by side on one installed Odoo and one database.

The tree, the interpreter, the PostgreSQL and the add-on that does harm are those of `tests/odoo`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
