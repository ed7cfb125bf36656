"""What the values say about each other: contradictions are errors, doubts are warnings.

Pure: everything here follows from the settings and a `Machine`. What only the file system knows is asked in `obstacles.py`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from prefork.config.groups.workers import MOST_PLACES
from prefork.config.kinds import ODOO
from prefork.config.problems import Problem
from prefork.config.quantities import about
from prefork.config.reserves import crowded, crowded_perhaps, loose
from prefork.sizing.plans import beyond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from prefork.config.machine import Machine
    from prefork.config.settings import Settings

ODOO_ONLY = ("odoo_args", "server_wide_modules")
PER_REQUEST = ("limit_memory_soft", "limit_memory_hard", "limit_time_cpu", "limit_time_real", "limit_time_real_routes")
NGINX_KEEPALIVE = 60.0  # seconds nginx keeps an idle connection to its upstream by default


def contradictions(settings: Settings, broken: AbstractSet[str] = frozenset()) -> list[Problem]:
    """Values that cannot hold together. Values in `broken` could not be read, so nothing is said about them."""
    applicable = ((names[0], check) for names, check in CONTRADICTIONS if broken.isdisjoint(names))
    return [problem(settings, name, sentence) for name, check in applicable for sentence in check(settings)]


def unservable(settings: Settings) -> list[Problem]:
    """Why `prefork serve` cannot start with settings that are valid in themselves."""
    found = []
    if settings.http_enable and settings.app is None and settings.odoo is None:
        found.append(problem(settings, "app", "nothing to serve; name an application, as in `prefork serve module:attribute`"))
    if not settings.listens and not settings.cron_processes:
        without = "max_cron_threads is 0" if settings.has_jobs else "there are no jobs (option job_source)"
        found.append(problem(settings, "http_enable", f"False leaves nothing to run, as {without}; set that, or set this to True"))
    return found


def warnings(settings: Settings, machine: Machine, broken: AbstractSet[str] = frozenset()) -> list[Problem]:
    """What looks wrong but does not make the settings unusable."""
    found = list(settings.remarks)
    if broken.isdisjoint({"app", "http_enable", "job_source", "max_cron_threads"}):
        found += [
            Problem(each.place, f"{each.sentence}; `prefork serve` will not start", each.line) for each in unservable(settings)
        ]
    applicable = ((names[0], check) for names, check in DOUBTS if broken.isdisjoint(names))
    found += [problem(settings, name, sentence) for name, check in applicable for sentence in check(settings, machine)]
    return found


def for_development(settings: Settings, broken: AbstractSet[str] = frozenset()) -> list[Problem]:
    """What should not be set in production. A server that starts says it in its log."""
    found = []
    if settings.threaded and "workers" not in broken:
        sentence = "0 is threaded mode, for development: all requests share one process and its interpreter lock"
        vain = ", ".join(in_vain(settings))
        found.append(problem(settings, "workers", f"{sentence}; {vain} have no effect" if vain else sentence))
    if settings.dev and "dev" not in broken:
        found.append(problem(settings, "dev", "is for development: the server reloads whenever a file of the application changes"))
    return found


def in_vain(settings: Settings) -> tuple[str, ...]:
    """The limits that threaded mode cannot enforce: killing the process would end all its requests."""
    return tuple(name for name in PER_REQUEST if settings.threaded and settings.value(name))


def soft_above_hard(settings: Settings) -> Iterator[str]:
    """A worker must be replaceable before it is killed."""
    if settings.limit_memory_soft > settings.limit_memory_hard > 0:
        yield f"{both(settings, 'limit_memory_soft', 'limit_memory_hard')}; set it to 60 to 90 % of the hard limit"


def two_applications(settings: Settings) -> Iterator[str]:
    """One server serves one application."""
    if settings.odoo and settings.app not in {None, f"{ODOO}{settings.odoo}"}:
        yield f"odoo is set as well, to {settings.odoo} ({settings.source('odoo')}); remove one of the two"


def one_at_a_time(settings: Settings) -> Iterator[str]:
    """Only a loop serves several requests."""
    if settings.interface == "wsgi" and (settings.concurrency or 1) > 1:
        given = f"interface is wsgi ({settings.source('interface')})"
        yield f"{given}, of which a worker serves one request at a time; remove the option, or set interface = asgi"


def too_many_places(settings: Settings) -> Iterator[str]:
    """The scoreboard has room for so many places, and for as many again during a reload."""
    places = settings.most_workers * (settings.concurrency or 1)
    if places > MOST_PLACES:
        asked = f"{settings.most_workers} workers × {settings.concurrency}"
        yield f"{asked} = {places} are more than {MOST_PLACES}; lower one of the two"


def above_plan(settings: Settings) -> Iterator[str]:
    """What a plan does not include."""
    if settings.http_enable and (excess := beyond(settings.plan, settings.fewest_workers)):
        yield f"{excess} ({settings.source('plan')}); lower workers, or change the plan"


def upside_down(settings: Settings) -> Iterator[str]:
    """The fewest are not more than the most."""
    if settings.automatic and settings.fewest_workers > settings.most_workers:
        yield f"{both(settings, 'workers_min', 'workers_max')}; lower it, or raise the other"


def unshared(settings: Settings) -> Iterator[str]:
    """What one process has in its memory, no other one sees."""
    if settings.session_store == "memory" and not settings.threaded:
        given = f"workers is {settings.workers} ({settings.source('workers')})"
        yield f"memory loses a visitor's session at every click that another worker answers, and {given}; use file, or a server"


def many_writers(settings: Settings) -> Iterator[str]:
    """What Odoo says of SQLite, too."""
    if settings.in_file and not settings.threaded:
        given = f"workers is {settings.workers} ({settings.source('workers')})"
        reason = "SQLite does not support concurrent writes from multiple processes"
        yield f"multi-processing mode requires PostgreSQL: {reason}, and {given}; name a PostgreSQL database, or set workers = 0"


def sessions_in_file(settings: Settings) -> Iterator[str]:
    """Only jobs are kept in a file that is not PostgreSQL."""
    if settings.session_store == "postgresql" and settings.in_file:
        yield "postgresql means the store, and that is a SQLite file here; use file, or memory"


def sessions_in_odoo(settings: Settings) -> Iterator[str]:
    """The database of the `db_` options is Odoo's there, and Prefork keeps nothing in it."""
    if settings.odoo and settings.session_store == "postgresql" and settings.store_dsn and "store_dsn" not in settings.sources:
        yield "postgresql means the store, and that is the database of Odoo here; set store_dsn to another, or write postgresql://…"


def bus_in_file(settings: Settings) -> Iterator[str]:
    """Notices are PostgreSQL's."""
    if settings.bus and settings.in_file:
        yield "it needs PostgreSQL, and the store is a SQLite file here; name a database in store_dsn, or leave the bus off"


def exposed(settings: Settings) -> Iterator[str]:
    """Who logs in over an open network gives the password to all who listen."""
    protected = settings.console_certificate or settings.console_proxies or settings.console_insecure
    if settings.console and not protected and not is_loopback(settings.console_interface):
        means = "set console_certificate, name the proxy that brings TLS in console_proxies, or say console_insecure = True"
        yield f"{settings.console_interface} can be reached by others, and passwords would travel unencrypted; {means}"


def overheard(settings: Settings) -> Iterator[str]:
    """A password that travels over a network is for those who listen there, too."""
    if settings.alert_email and settings.smtp_user and settings.smtp_ssl == "off" and not is_loopback(settings.smtp_server):
        given = f"smtp_ssl is off ({settings.source('smtp_ssl')})"
        yield f"the password of smtp_user would travel unencrypted to {settings.smtp_server}, as {given}; set it to starttls or tls"


def unwatched(settings: Settings, _machine: Machine) -> Iterator[str]:
    """It is the console that tells."""
    if not settings.console:
        for name in ("alert_email", "alert_webhook"):
            if settings.value(name):
                yield f"False leaves nobody who watches, and {name} is set ({settings.source(name)}); set this to True"


def is_loopback(interface: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"


def covered(settings: Settings) -> Iterator[str]:
    """The kernel refuses an address beside the one that stands for all of its kind."""
    for every, version in (("0.0.0.0", 4), ("::", 6)):  # noqa: S104 - compared, not bound
        if every in settings.http_interface:
            others = [each for each in settings.http_interface if each != every and ip_version(each) == version]
            yield from (f"{every} includes {other}; name one of the two" for other in others)


def ip_version(interface: str) -> int | None:
    """4 or 6; None for what is no IP address."""
    try:
        return ipaddress.ip_address(interface).version
    except ValueError:
        return None


def share_of_hard(settings: Settings, _machine: Machine) -> Iterator[str]:
    """Between the limits a request must have room to end, and the hard limit must still mean something."""
    soft, hard = settings.limit_memory_soft, settings.limit_memory_hard
    if 0 < soft <= hard and not 0.6 <= soft / hard <= 0.9:
        share = f"{settings.shown('limit_memory_soft')} is {soft / hard:.0%} of limit_memory_hard"
        yield f"{share}, {settings.shown('limit_memory_hard')}; 60 to 90 % leaves room to finish a request"


def memory_fit(settings: Settings, machine: Machine) -> Iterator[str]:
    """All workers may be at their soft limit at once."""
    http, cron = settings.fewest_workers if settings.http_enable else 0, settings.cron_processes
    needed = (http + cron) * settings.limit_memory_soft
    if machine.memory is not None and needed > machine.memory:
        count = f"({http} workers + {cron} for scheduled jobs)" if cron else f"{http} workers"
        product = f"{count} × {settings.shown('limit_memory_soft')} = {about(needed)}"
        yield f"{product} do not fit the {about(machine.memory)} of this {machine.bound}; lower workers or the limit"


def without_odoo(settings: Settings, _machine: Machine) -> Iterator[str]:
    """What only Odoo can read."""
    given = [name for name in ODOO_ONLY if name in settings.sources]
    if given and not settings.odoo:
        yield f"not set, so nobody reads {', '.join(given)}"


def too_few(settings: Settings, _machine: Machine) -> Iterator[str]:
    """A second worker is what keeps a site answering while the first is busy."""
    if settings.workers == 1:
        yield "with one worker a single slow request holds up all others; use 2 or more in production"


def too_many(settings: Settings, machine: Machine) -> Iterator[str]:
    """Workers that wait for a processor serve nobody sooner."""
    if settings.most_workers > max(2, 4 * machine.cpus + 1):
        advice = f"start from 2 × CPUs + 1 = {round(2 * machine.cpus) + 1}"
        yield f"{settings.most_workers} are more than {machine.cpus:g} CPUs keep running; {advice}"


def unreached(settings: Settings, _machine: Machine) -> Iterator[str]:
    """A request cannot use more processor time than it has time."""
    if 0 < settings.limit_time_real < settings.limit_time_cpu:
        yield f"{both(settings, 'limit_time_cpu', 'limit_time_real')}, which is reached first; lower it or raise the other"


def same_port(settings: Settings, _machine: Machine) -> Iterator[str]:
    """Two sockets need two ports."""
    if settings.http_port == settings.websocket_port:
        yield f"{settings.websocket_port} is the http_port as well; give each its own"


def unrouted(settings: Settings, _machine: Machine) -> Iterator[str]:
    """Lasting requests are for the workers that there are."""
    if settings.websocket_routes and not settings.websocket_workers:
        yield "there is no websocket worker to serve them, HTTP workers will; set websocket_workers"


def capped_backlog(settings: Settings, machine: Machine) -> Iterator[str]:
    """The kernel cuts a longer backlog without a word."""
    if machine.somaxconn is not None and settings.backlog > machine.somaxconn:
        advice = f"raise that (sysctl -w net.core.somaxconn={settings.backlog}) or lower the backlog"
        yield f"the kernel keeps only {machine.somaxconn} connections, its net.core.somaxconn; {advice}"


def short_keepalive(settings: Settings, _machine: Machine) -> Iterator[str]:
    """A proxy must not be the one that keeps idle connections longer: its next request would meet a closed one."""
    if settings.proxy_mode and settings.keepalive_timeout <= NGINX_KEEPALIVE:
        reason = "nginx keeps idle connections for 60 s and may use one that was just closed"
        yield f"{settings.shown('keepalive_timeout')} is short, as {reason}; set 75"


def everybody_trusted(settings: Settings, _machine: Machine) -> Iterator[str]:
    """Forwarded headers are worth what their sender is worth."""
    if settings.proxy_mode and any(network.endswith("/0") for network in settings.trusted_proxies):
        yield "every client is trusted and can forge its address; list your proxies only"


def both(settings: Settings, higher: str, lower: str) -> str:
    """That one value is above another, with the source of the other."""
    return f"{settings.shown(higher)} is above {lower}, {settings.shown(lower)} ({settings.source(lower)})"


def problem(settings: Settings, name: str, sentence: str) -> Problem:
    """A problem with an option's effective value, placed where that value came from."""
    return settings.source(name).problem(name, sentence)


# The options a check reads; its problems belong to the first of them.
CONTRADICTIONS: tuple[tuple[tuple[str, ...], Callable[[Settings], Iterator[str]]], ...] = (
    (("limit_memory_soft", "limit_memory_hard"), soft_above_hard),
    (("app", "odoo"), two_applications),
    (("workers", "plan", "http_enable"), above_plan),
    (("workers_min", "workers_max", "workers"), upside_down),
    (("concurrency", "interface"), one_at_a_time),
    (("concurrency", "workers"), too_many_places),
    (("lanes", "workers", "interface"), crowded),
    (("http_interface",), covered),
    (("console_interface", "console", "console_certificate", "console_proxies", "console_insecure"), exposed),
    (("alert_email", "smtp_user", "smtp_ssl", "smtp_server"), overheard),
    (("session_store", "workers"), unshared),
    (("store_dsn", "workers"), many_writers),
    (("session_store", "store_dsn"), sessions_in_file),
    (("session_store", "odoo", "store_dsn"), sessions_in_odoo),
    (("bus", "store_dsn"), bus_in_file),
)
DOUBTS: tuple[tuple[tuple[str, ...], Callable[[Settings, Machine], Iterator[str]]], ...] = (
    (("odoo",), without_odoo),
    (("console", "alert_email", "alert_webhook"), unwatched),
    (("workers",), too_few),
    (("workers",), too_many),
    (("limit_memory_soft", "limit_memory_hard"), share_of_hard),
    (("limit_memory_soft", "workers", "http_enable", "max_cron_threads", "job_source"), memory_fit),
    (("lanes", "workers", "interface"), crowded_perhaps),
    (("lanes", "workers", "interface"), loose),
    (("limit_time_cpu", "limit_time_real"), unreached),
    (("websocket_port", "http_port"), same_port),
    (("websocket_routes", "websocket_workers"), unrouted),
    (("backlog",), capped_backlog),
    (("keepalive_timeout", "proxy_mode"), short_keepalive),
    (("trusted_proxies", "proxy_mode"), everybody_trusted),
)
