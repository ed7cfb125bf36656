"""An instance becomes something else: another application, version, interpreter or plan. What fails is taken back.

nginx is asked before the server is touched, and serves the new routes only once the server is ready for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.config import ConfigurationError, restart_needed
from prefork.control.client import Unreachable
from prefork.instances import changes as saved
from prefork.instances import provisions
from prefork.instances.changes import RUNNING, Conflict
from prefork.instances.local import RELOAD_LIMIT, Denied, Local
from prefork.provision.grant import ceiling
from prefork.provision.holding import settings_at
from prefork.provision.offer import renewed
from prefork.provision.operation import Failed, halt, launch
from prefork.provision.wish import Wish
from prefork.provision.works import TakenBack, under_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.config import Settings
    from prefork.instances.provisions import Work
    from prefork.provision.files import Place
    from prefork.provision.premises import Premises
    from prefork.provision.works import Step


def upgrade(premises: Premises, who: str, identity: str, changes: Mapping[str, Any]) -> Work:
    """Give an instance another application, version, interpreter or plan; it is taken back where it fails. Raises as `create`."""
    with premises.lock:
        provision = premises.provision(identity)
        place = premises.place(identity)
        saved.check_free(premises.db, identity)
        try:
            new = renewed(premises, provision, changes)
        except OSError as error:
            raise Conflict(f"{place.configuration} cannot be changed: {(error.strerror or str(error)).lower()}") from None
        except UnicodeDecodeError:
            raise Conflict(f"{place.configuration} is not UTF-8 text any more; correct it first") from None
        work = provisions.begin(premises.db, identity, who, "upgrade")
    rolling = not must_restart(place, new.settings)
    before, after = ceiling(Wish(**provision.wish)), ceiling(new.wish)

    def act(step: Step) -> None:
        old, had = place.configuration.read_bytes(), premises.nginx.text(identity) if premises.nginx else None
        if premises.nginx and new.site != had:
            step("testing the file for nginx")
            premises.nginx.put(identity, new.site)
        try:
            premises.runner.bound(identity, larger(before, after))  # while both are there
            premises.write(place, new.text)
            if provision.wanted == RUNNING:
                step("reloading worker by worker" if rolling else "restarting")
                renew(premises, identity, rolling=rolling)
        except (Failed, Denied, Unreachable, OSError) as error:
            said = f"{error}\n{getattr(error, 'details', '')}".strip()
            premises.write(place, old)
            if premises.nginx and new.site != had:
                premises.nginx.put(identity, had)
            if not rolling:
                step("starting what it was before")
                relaunch(premises, identity, said)
            premises.runner.bound(identity, before)
            raise TakenBack(said) from None
        provisions.rewrite(premises.db, identity, new.wish.told(), new.grant.told())
        premises.runner.bound(identity, after)
        if premises.nginx and new.site != had:
            step("reloading nginx")
            premises.nginx.reload()

    return under_way(premises, work, act)


def larger(before: int | None, after: int | None) -> int | None:
    """The more of two ceilings; None is none."""
    return None if before is None or after is None else max(before, after)


def renew(premises: Premises, identity: str, *, rolling: bool) -> None:
    """Have a server be what its file says now. Raises Failed, Denied, Unreachable, OSError."""
    if rolling:
        Local(premises.place(identity).data).ask("reload", RELOAD_LIMIT)
    else:
        halt(premises, identity)
        launch(premises, identity)


def relaunch(premises: Premises, identity: str, said: str) -> None:
    """Start what a server was before. Raises Failed, with what was `said` of the reason."""
    try:
        launch(premises, identity)
    except Failed as error:
        raise Failed(f"{said}\nWhat it was before does not start either: {error}") from None


def must_restart(place: Place, new: Settings) -> bool:
    """Whether a reload does not apply the settings, or nobody knows what they were."""
    try:
        old = settings_at(place)
    except ConfigurationError:
        return True
    return bool(restart_needed(old, new))
