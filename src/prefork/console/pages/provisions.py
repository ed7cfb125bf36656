"""Instances that the console runs, for its pages: the functions of the API's routes, after what those check of a visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.console.access import require
from prefork.console.api import instances, provision
from prefork.console.api.plans import list_plans
from prefork.console.models.provisions import Addition, Upgrade
from prefork.console.pages.made import made
from prefork.instances import provisions
from prefork.instances.roles import ADMINISTRATOR, OPERATOR, VIEWER
from prefork.sizing.plans import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from prefork.console.desk import Desk
    from prefork.instances.roles import Visitor

Row = dict[str, Any]
WORKS = 10  # that are shown
STEERED = {"start": provision.start_instance, "stop": provision.stop_instance, "restart": provision.restart_instance}


class OwnProvisions:
    """The console's own."""

    def __init__(self, request: Request, desk: Desk, visitor: Visitor) -> None:
        self.request, self.desk, self.visitor = request, desk, visitor

    def means(self) -> Row | None:
        """What new ones can get."""
        if self.desk.premises is None:
            return None
        plans = {each.name: each.workers for each in list_plans(self.visitor).items}
        found = [{"name": name, "workers": workers, "machine": RESOURCES[name]} for name, workers in plans.items()]
        return {"plans": found, "sites": self.desk.premises.nginx is not None}

    def prospect(self, identity: str, name: str, run: Mapping[str, Any]) -> Row:
        """What one would get."""
        require(self.visitor, ADMINISTRATOR)
        return provision.considered(self.desk, made(Addition, id=identity, name=name, run=run)).model_dump()

    def make(self, identity: str, name: str, run: Mapping[str, Any]) -> None:
        """One more."""
        require(self.visitor, ADMINISTRATOR)
        provision.make(self.request, self.desk, self.visitor, made(Addition, id=identity, name=name, run=run))

    def find(self, identity: str) -> Row | None:
        """One, with what was done with it lately."""
        require(self.visitor, VIEWER, identity)
        if self.desk.premises is None or provisions.find(self.desk.db, identity) is None:
            return None
        found = provision.get_provision(self.desk, self.visitor, identity).model_dump()
        works = provision.list_works(self.desk, self.visitor, identity, WORKS).items
        return {**found, "works": [each.model_dump() for each in works]}

    def steer(self, identity: str, action: str) -> None:
        """`start`, `stop` or `restart` one."""
        require(self.visitor, OPERATOR, identity)
        STEERED[action](self.request, self.desk, self.visitor, identity)

    def upgrade(self, identity: str, changes: Mapping[str, Any]) -> None:
        """Have one be something else."""
        require(self.visitor, ADMINISTRATOR, identity)
        provision.upgrade_instance(self.request, self.desk, self.visitor, identity, made(Upgrade, **changes))

    def delete(self, identity: str, *, data: bool) -> None:
        """One less."""
        require(self.visitor, ADMINISTRATOR, identity)
        instances.forget_instance(self.request, self.desk, self.visitor, identity, data)
