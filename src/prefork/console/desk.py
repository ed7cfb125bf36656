"""What every request is answered with: the console's database, how it is reached, who has tried to log in."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from prefork.console.feed import Feeds
from prefork.console.pace import Backoff, Pace
from prefork.console.problems import ProblemError
from prefork.console.relay import Elsewhere
from prefork.instances import registry
from prefork.instances.local import Local
from prefork.instances.monitor import Monitor

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from prefork.instances.database import Database
    from prefork.instances.registry import Instance
    from prefork.provision.premises import Premises


@dataclass
class Desk:
    """One for each console."""

    db: Database
    insecure: bool = False  # passwords may travel unencrypted
    premises: Premises | None = None  # where a console that runs instances has them
    attempts: Backoff = field(default_factory=Backoff)
    pace: Pace = field(default_factory=Pace)
    streams: int = 0  # event streams that are open
    feeds: Feeds = field(default_factory=Feeds)

    def __post_init__(self) -> None:
        """What it says of the past is empty until it is started."""
        self.monitor = Monitor(self.db)

    def giving(self) -> AbstractContextManager[object]:
        """For as long as it is held nobody else is given a part of the machine."""
        return self.premises.lock if self.premises else nullcontext()

    def instance(self, instance: str) -> Instance:
        """An instance by its id. Raises ProblemError."""
        found = registry.find(self.db, instance)
        if found is None:
            raise ProblemError(404, f"there is no instance {instance}, or it is not yours to see")
        return found

    def server(self, instance: str) -> Local:
        """The server of an instance on this machine. Raises ProblemError, Elsewhere."""
        found = self.instance(instance)
        if found.directory is None:
            remote = registry.way_to(self.db, instance)
            assert remote
            raise Elsewhere(instance, remote)
        return Local(found.directory)


def desk(request: Request) -> Desk:
    """That of the application."""
    found: Desk = request.app.state.desk
    return found


AtDesk = Annotated[Desk, Depends(desk)]
