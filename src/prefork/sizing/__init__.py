"""How many workers a machine can have and users need: pure, from numbers to numbers with their reasons.

Three published rules disagree (docs/sizing.md has them side by side). Each is kept as it was written; `size` applies one of them
and what bounds all of them: memory, plan, users, the database's connections. This room imports no other and looks at nothing.
"""
