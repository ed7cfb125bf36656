"""What is done with the instances that the console runs: made, started, stopped, removed; `upgrades` has the rest.

What can be refused is refused at once. The rest takes its time in a thread of its own and is kept as a work, with how it went.
"""

from __future__ import annotations

import shutil
import traceback
from threading import Thread
from typing import TYPE_CHECKING

from prefork.instances import provisions, registry
from prefork.instances.changes import DONE, FAILED, ROLLED_BACK, RUNNING, Conflict, Invalid
from prefork.instances.database import Unusable
from prefork.instances.provisions import STOPPED
from prefork.provision.grant import ceiling
from prefork.provision.nginx import Rejected
from prefork.provision.offer import Offer, offer
from prefork.provision.operation import Failed, halt, launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.instances.provisions import Work
    from prefork.provision.premises import Premises
    from prefork.provision.wish import Wish

    Step = Callable[[str], None]


class TakenBack(Exception):
    """It did not get ready, and everything is as before; the text says why."""


def prospect(premises: Premises, identity: str, name: str, wish: Wish) -> Offer:
    """What a new instance would get. Raises Invalid, BeyondPlan, Conflict."""
    with premises.lock:
        return offered(premises, identity, name, wish)


def create(premises: Premises, who: str, identity: str, name: str, wish: Wish) -> Work:
    """Make an instance and start it. Raises Invalid, BeyondPlan, Conflict, Unusable; then nothing is left of it."""
    place = premises.place(identity)
    with premises.lock:
        made = offered(premises, identity, name, wish)
        if registry.find(premises.db, identity):
            raise Conflict(f"there is an instance {identity} already; choose another id")
        if place.configuration.exists():
            raise Conflict(f"{place.configuration} is left of an instance that is not known here; remove it, or choose another id")
        furnish(premises, identity, made)
        try:
            with premises.db.transaction():
                registry.add_local(premises.db, identity, name, place.data)
                provisions.add(premises.db, identity, wish.told(), made.grant.told())
                work = provisions.begin(premises.db, identity, who, "create")
        except Unusable:
            clear(premises, identity)
            raise

    def act(step: Step) -> None:
        step("starting")
        premises.runner.bound(identity, ceiling(wish))
        started(premises, identity)
        if made.site is not None and premises.nginx:
            step("reloading nginx")
            premises.nginx.reload()

    return under_way(premises, work, act)


def offered(premises: Premises, identity: str, name: str, wish: Wish) -> Offer:
    """An offer, where the directory of instances can be used. Raises Invalid, BeyondPlan, Conflict."""
    try:
        premises.open()
        return offer(premises, identity, name, wish)
    except OSError as error:
        raise Conflict(f"{error.filename or premises.directory} cannot be made: {(error.strerror or str(error)).lower()}") from None


def furnish(premises: Premises, identity: str, made: Offer) -> None:
    """Make all files of an instance, or none. Raises Invalid where nginx does not take its site, Conflict."""
    nginx = premises.nginx if made.site is not None else None
    try:
        if nginx:
            nginx.put(identity, made.site)
    except Rejected as error:
        raise Invalid({"domain": str(error)}) from None
    place = premises.place(identity)
    try:
        premises.furnish(place, made.text)
    except OSError as error:
        if nginx:
            nginx.put(identity, None)
        raise Conflict(f"{place.directory} cannot be made: {(error.strerror or str(error)).lower()}") from None


def clear(premises: Premises, identity: str) -> None:
    """Remove an instance's site and file; what it keeps stays."""
    if premises.nginx and premises.nginx.text(identity) is not None:
        premises.nginx.put(identity, None)
    premises.place(identity).configuration.unlink(missing_ok=True)


def start(premises: Premises, who: str, identity: str) -> Work:
    """Start an instance that is stopped. Raises Conflict."""
    work = begun(premises, who, identity, "start")

    def act(step: Step) -> None:
        step("starting")
        started(premises, identity)

    return under_way(premises, work, act)


def stop(premises: Premises, who: str, identity: str) -> Work:
    """Stop an instance after its current requests. Raises Conflict."""
    work = begun(premises, who, identity, "stop")

    def act(step: Step) -> None:
        provisions.want(premises.db, identity, STOPPED)
        step("stopping")
        halt(premises, identity)

    return under_way(premises, work, act)


def restart(premises: Premises, who: str, identity: str) -> Work:
    """Stop an instance and start it again. Raises Conflict."""
    work = begun(premises, who, identity, "restart")

    def act(step: Step) -> None:
        step("stopping")
        halt(premises, identity)
        step("starting")
        started(premises, identity)

    return under_way(premises, work, act)


def delete(premises: Premises, identity: str, *, data: bool) -> None:
    """Remove an instance that is stopped; what it keeps stays unless `data` goes, too. Raises Conflict."""
    with premises.lock:
        provision = premises.provision(identity)
        place = premises.place(identity)
        try:
            if provision.wanted == RUNNING or provisions.busy(premises.db, identity) or premises.process(provision):
                raise Conflict(f"{identity} is not stopped; stop it first")
            premises.runner.forget(identity)
            served = premises.nginx is not None and premises.nginx.text(identity) is not None
            clear(premises, identity)
            if premises.nginx and served:
                premises.nginx.reload()
            if data and place.directory.exists():  # else that is as far as an attempt before got
                shutil.rmtree(place.directory)
        except (OSError, Rejected) as error:
            raise Conflict(f"{identity} cannot be removed: {error}") from None
        registry.remove(premises.db, identity)


def begun(premises: Premises, who: str, identity: str, action: str) -> Work:
    """A work with an instance that is run here. Raises Conflict."""
    with premises.lock:
        premises.provision(identity)
        return provisions.begin(premises.db, identity, who, action)


def started(premises: Premises, identity: str) -> None:
    """Have an instance run. One that does not start is not tried again by itself. Raises Failed, OSError."""
    provisions.want(premises.db, identity, RUNNING)
    if premises.process(premises.provision(identity)):
        return
    try:
        launch(premises, identity)
    except Failed:
        provisions.want(premises.db, identity, STOPPED)
        raise


def under_way(premises: Premises, work: Work, act: Callable[[Step], None]) -> Work:
    """Do it in a thread of its own, and note how it goes."""

    def carry_out() -> None:
        db = premises.db
        try:
            act(lambda words: provisions.note_step(db, work, words))
        except TakenBack as error:
            provisions.end(db, work, ROLLED_BACK, str(error))
        except (Failed, Rejected, OSError, Unusable) as error:
            provisions.end(db, work, FAILED, str(error))
        except Exception:  # a fault of ours: it is told, and nobody waits for ever
            provisions.end(db, work, FAILED, traceback.format_exc())
            raise
        else:
            provisions.end(db, work, DONE)

    Thread(target=carry_out, name="work", daemon=True).start()
    return work
