"""Who may do what: three roles, each with the rights of those before it, for all instances or for one.

Pure but for the grants that a user has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS = "metrics"  # the scope of a token that reads /metrics and nothing else
VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"
ROLES = (VIEWER, OPERATOR, ADMINISTRATOR)
RANK = {"none": 0, METRICS: 0, VIEWER: 1, OPERATOR: 2, ADMINISTRATOR: 3}


@dataclass(frozen=True)
class Visitor:
    """Somebody who was recognised. `role` is for all instances, `grants` for some; `ceiling` is what a token allows of both.

    `csrf` is what a change has to bring along, where the visitor came with a cookie, which browsers send by themselves. `until` is
    when the `token` (its hash) ends, in seconds since 1970; None where it does not, or where there is none.
    """

    user: int
    name: str
    role: str
    grants: Mapping[str, str] = field(default_factory=dict)
    ceiling: str = ADMINISTRATOR
    csrf: str | None = None
    until: float | None = None
    token: str | None = None

    def role_for(self, instance: str | None) -> str:
        """The highest role for an instance, or for the console itself."""
        granted = self.grants.get(instance, "none") if instance is not None else "none"
        return min(max(self.role, granted, key=RANK.__getitem__), self.ceiling, key=RANK.__getitem__)

    def may(self, role: str, instance: str | None = None) -> bool:
        """Whether somebody has a role for an instance, or for the console itself."""
        return RANK[self.role_for(instance)] >= RANK[role]

    def may_read_metrics(self, instance: str) -> bool:
        """Whether somebody may read an instance's metrics: a token for just that may, as far as who made it may see it."""
        return replace(self, ceiling=VIEWER if self.ceiling == METRICS else self.ceiling).may(VIEWER, instance)
