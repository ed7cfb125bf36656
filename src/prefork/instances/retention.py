"""What the console forgets of what is over: who has done what, changes and works, tokens that have ended. Logins end at once.

Each table is cleared in batches, so that nobody waits for long: a console that was off for a year has a lot to forget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.instances import alerts, history, logins
from prefork.instances.history import SUMMARIES_FOR

if TYPE_CHECKING:
    from prefork.instances.database import Database

AT_ONCE = 1_000  # rows of one transaction
# A change that another one has undone goes after that one, which names it.
OVER = (
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? LIMIT ?)",
    "DELETE FROM works WHERE id IN (SELECT id FROM works WHERE ended_at < ? LIMIT ?)",
    (
        "DELETE FROM changes WHERE id IN (SELECT id FROM changes AS old WHERE ended_at < ? "
        "AND NOT EXISTS (SELECT 1 FROM changes WHERE undoes = old.id) LIMIT ?)"
    ),
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE expires_at < ? LIMIT ?)",
)


def tidy(db: Database, now: float) -> None:
    """Sum up what instances did, and forget what is too old: `now` is a clock's that can be believed."""
    history.condense(db, now)
    alerts.forget(db, now)
    logins.forget(db, now)
    for statement in OVER:
        while db.change(statement, now - SUMMARIES_FOR, AT_ONCE).rowcount == AT_ONCE:
            pass
