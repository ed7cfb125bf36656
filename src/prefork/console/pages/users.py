"""The people who may use the console, for its pages: the functions of the API's routes, after what those check of a visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.console import models
from prefork.console.access import require
from prefork.console.api import people
from prefork.console.pages.made import made
from prefork.instances import users
from prefork.instances.roles import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request

    from prefork.console.desk import Desk
    from prefork.instances.roles import Visitor

Row = dict[str, Any]
MOST = 10_000  # of a list: pages show all of it
ENTRIES = 50  # of the audit log, on a page


class OwnUsers:
    """The console's own."""

    def __init__(self, request: Request, desk: Desk, visitor: Visitor) -> None:
        self.request, self.desk, self.visitor = request, desk, visitor

    def listed(self) -> Sequence[Row]:
        """Everybody."""
        require(self.visitor, ADMINISTRATOR)
        return [each.model_dump() for each in people.list_users(self.desk, self.visitor, MOST).items]

    def find(self, number: int) -> Row:
        """One of them."""
        require(self.visitor, ADMINISTRATOR)
        return people.the_user(self.desk, number).model_dump()

    def add(self, name: str, role: str) -> str:
        """Somebody more, with a password that nobody has chosen."""
        require(self.visitor, ADMINISTRATOR)
        password = users.generated()
        people.add_user(self.request, self.desk, self.visitor, made(models.NewUser, name=name, password=password, role=role))
        return password

    def change(self, number: int, role: str, grants: Mapping[str, str]) -> None:
        """Another role, other grants."""
        require(self.visitor, ADMINISTRATOR)
        self._change(number, role=role, grants=grants)

    def renew(self, number: int) -> str:
        """Another password that nobody has chosen."""
        require(self.visitor, ADMINISTRATOR)
        password = users.generated()
        self._change(number, password=password)
        return password

    def _change(self, number: int, **values: Any) -> None:
        people.change_user(self.request, self.desk, self.visitor, number, made(models.UserPatch, **values))

    def remove(self, number: int) -> None:
        """One less."""
        require(self.visitor, ADMINISTRATOR)
        people.remove_user(self.request, self.desk, self.visitor, number)

    def audit(self, before: int | None) -> tuple[Sequence[Row], int | None]:
        """What was done."""
        require(self.visitor, ADMINISTRATOR)
        found = people.read_audit(self.desk, self.visitor, ENTRIES, before)
        return [each.model_dump() for each in found.items], found.next
