"""What somebody wants of an instance that the console is to run. Pure; what is wrong with a wish by itself is said here.

What the configuration's own rules say about it is not repeated: the file that is made of a wish is checked as `prefork check` does.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prefork.config.reader import INLINE_COMMENT
from prefork.instances.changes import BeyondPlan, Invalid
from prefork.sizing.machine import gigabytes
from prefork.sizing.plans import PLANS, RESOURCES, beyond

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ID = re.compile(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?")  # it names a unit, a directory and an upstream of nginx
TAKEN = frozenset({"new", "default"})  # a page, and the console's own server
KEY = re.compile(r"[a-z][a-z0-9_]{0,60}")
# What a wish or a grant decides, so that no further option may.
DECIDED = frozenset(
    """
    app odoo app_dir python plan workers max_cron_threads limit_memory_soft limit_memory_hard limit_time_cpu limit_time_real
    http_interface http_port websocket_port gevent_port longpolling_port proxy_mode trusted_proxies data_dir logfile pidfile
    user group console db_maxconn database_connections
    """.split()
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An application (`app`, or `odoo`, the directory that holds Odoo), and what it is to get.

    `memory` is in bytes; what is None follows from the plan, and without one from the machine. With a `domain` nginx serves it.
    `options` are further lines of its file.
    """

    app: str | None = None
    odoo: str | None = None
    app_dir: str | None = None
    python: str | None = None
    plan: str | None = None
    workers: int | None = None
    cpus: float | None = None
    memory: int | None = None
    domain: str | None = None
    certificate: str | None = None
    certificate_key: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """For a row, and for people."""
        return asdict(self)

    def with_changes(self, changes: Mapping[str, Any]) -> Wish:
        """Another one, where one application takes the place of the other."""
        if changes.get("app") or changes.get("odoo"):
            changes = {"app": None, "odoo": None, **changes}
        return replace(self, **changes)


def check(wish: Wish) -> None:
    """Raises Invalid with all that is wrong with a wish, BeyondPlan where it asks for more than comes with its plan."""
    if wrong := dict(complaints(wish)):
        raise Invalid(wrong)
    if excess := dict(excesses(wish)):
        raise BeyondPlan(excess)


def excesses(wish: Wish) -> Iterator[tuple[str, str]]:
    """What is more than comes with the plan, by the name of the member."""
    most = RESOURCES[wish.plan] if wish.plan else None
    if wish.workers and (said := beyond(wish.plan, wish.workers)):
        yield "workers", said
    if most and wish.memory and wish.memory > most.memory:
        yield "memory", f"the plan {wish.plan} comes with {gigabytes(most.memory)}, not {gigabytes(wish.memory)}"
    if most and wish.cpus and wish.cpus > most.cpus:
        yield "cpus", f"the plan {wish.plan} comes with {most.cpus:g} CPUs, not {wish.cpus:g}"


def complaints(wish: Wish) -> Iterator[tuple[str, str]]:
    """What is wrong, by the name of the member."""
    if (wish.app is None) == (wish.odoo is None):
        yield "app", "name the application, module:attribute, or in its place odoo, the directory that holds Odoo"
    if wish.plan is not None and wish.plan not in PLANS:
        yield "plan", f"there is no plan {wish.plan}; there are {', '.join(PLANS)}"
    if (wish.domain is None) != (wish.certificate is None) or (wish.domain is None) != (wish.certificate_key is None):
        yield "domain", "nginx needs all of domain, certificate and certificate_key, or none of them"
    told = {"app": wish.app, "odoo": wish.odoo, "app_dir": wish.app_dir, "python": wish.python}
    for name, text in (*told.items(), *wish.options.items()):
        if text and (not text.isprintable() or INLINE_COMMENT.search(f" {text}")):
            yield name, "a value is one line, and no ; or # stands behind a space in it"
    for name in wish.options:
        if name in DECIDED:
            yield name, f"{name} is decided for the instance; it cannot be a further option"
        elif not KEY.fullmatch(name):
            yield "options", f"{name!r} is no name of an option"


def check_id(identity: str) -> None:
    """Raises Invalid for what cannot name an instance that the console runs."""
    if not ID.fullmatch(identity) or identity in TAKEN:
        raise Invalid({"id": "1 to 31 small letters, digits and hyphens, after a letter; neither new nor default"})
