"""What a wish would get, or an upgrade change: worked out and judged as `prefork check` does. Nothing is taken."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork import config
from prefork.config import Origin
from prefork.config.editing import merged
from prefork.config.reader import read_text
from prefork.instances.changes import UNSET, Invalid, imagined, option_at
from prefork.instances.local import Reading
from prefork.provision import files
from prefork.provision.grant import Grant, grant, kept
from prefork.provision.holding import wished
from prefork.provision.wish import check, check_id
from prefork.provision.writing import put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prefork.config import Settings
    from prefork.instances.provisions import Provision
    from prefork.provision.files import Place
    from prefork.provision.premises import Premises
    from prefork.provision.wish import Wish

DRAFT = ".prefork.conf.draft"
RESOURCES = ("plan", "workers", "cpus", "memory")


class Offer(NamedTuple):
    """What an instance is to be: its file and the settings in it, its site in nginx where it has one."""

    wish: Wish
    grant: Grant
    text: bytes
    settings: Settings
    site: bytes | None

    @property
    def warnings(self) -> list[str]:
        """What looks doubtful."""
        return [problem.sentence for problem in config.warnings(self.settings, config.read_machine())]


def offer(premises: Premises, identity: str, name: str, wish: Wish) -> Offer:
    """What a new instance would be. Raises Invalid, BeyondPlan, Conflict, OSError."""
    check_id(identity)
    check(wish)
    place = premises.place(identity)
    given = grant(wish, premises.free())
    text = files.configuration(name, files.options(wish, given, place)).encode()
    with present(place):
        settings = judged(place, text, {})[1]
    return Offer(wish, given, text, settings, site(premises, identity, wish, settings))


def renewed(premises: Premises, provision: Provision, changes: Mapping[str, Any]) -> Offer:
    """What an instance would be with changes. Of its file only what follows from them is another. Raises as `offer` does."""
    place = premises.place(provision.instance)
    old, had = wished(provision, place), kept(provision.given)
    wish, given = old.with_changes(changes), had
    check(wish)
    if any(getattr(old, name) != getattr(wish, name) for name in RESOURCES):
        found = grant(wish, premises.free(besides=provision.instance))
        given = replace(found, http_port=had.http_port, websocket_port=had.websocket_port)
    before, after = files.options(old, had, place), files.options(wish, given, place)
    texts = {name: after.get(name, UNSET) for name in {**before, **after} if before.get(name) != after.get(name)}
    text, settings = judged(place, place.configuration.read_bytes(), texts)
    return Offer(wish, given, text, settings, site(premises, provision.instance, wish, settings))


def judged(place: Place, text: bytes, texts: Mapping[str, str]) -> tuple[bytes, Settings]:
    """A file with other options, and the settings in it. Raises Invalid, BeyondPlan with every problem."""
    old, draft = text.decode(), place.directory / DRAFT
    new = merged(old, read_text(old, str(draft)), texts).encode()
    put(draft, new)
    try:
        settings = imagined(Reading(Origin(draft, {}, place.directory), {}), {})
    finally:
        draft.unlink(missing_ok=True)
    if problems := config.unservable(settings):
        raise Invalid({option_at(problem.place): problem.sentence for problem in problems})
    return new, settings


def site(premises: Premises, identity: str, wish: Wish, settings: Settings) -> bytes | None:
    """Its file for nginx, where it has a domain. Raises Invalid."""
    files.version(wish)
    if not wish.domain:
        return None
    if premises.nginx is None:
        raise Invalid(
            {"domain": "this console writes no files for nginx; start it with --sites and the directory that nginx includes"}
        )
    return files.site(identity, wish, settings, premises.nginx.web).encode()


@contextmanager
def present(place: Place) -> Iterator[None]:
    """Have the directories of an instance for as long as this takes: what is checked in them must be there."""
    missing = [each for each in (place.directory, place.data) if not each.exists()]
    for each in missing:
        each.mkdir(mode=0o700)
    try:
        yield
    finally:
        for each in reversed(missing):
            each.rmdir()
