"""The options of sockets, proxies, the queue and static files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.option import Derived, grouped, option
from prefork.config.quantities import LONGEST
from prefork.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def most_workers(values: Mapping[str, Any]) -> int:
    """The HTTP workers there are at the most."""
    most = values["workers_max"] if values["workers"] == kinds.AUTO else values["workers"]
    return int(most)


def reports_of_odoo(workers: int) -> tuple[Lane, ...]:
    """The lane that leaves a worker for what PDFs ask of the server itself, or as many PDFs as workers would wait for ever."""
    return (Lane("reports", ("/report/pdf/*", "/report/download"), 0, workers - 1),) if workers > 1 else ()


WEEK = 604_800.0


@grouped
class HTTP:
    """Where requests come in, whose word about the client is taken, and how many may wait."""

    http_interface: tuple[str, ...] = option(
        kinds.INTERFACES,
        Derived(
            lambda values, _: ("0.0.0.0",) if values["odoo"] else ("127.0.0.1",),  # noqa: S104 - as Odoo itself does
            "`127.0.0.1`; for Odoo all addresses, as it has it",
        ),
        "The addresses to listen on; sockets that systemd passes are used instead",
        applies="restart",
        aliases=("xmlrpc_interface",),
    )
    http_port: int = option(
        kinds.PORT,
        8069,
        "The port for requests, at each address",
        applies="restart",
        minimum=1,
        maximum=65535,
        aliases=("xmlrpc_port",),
    )
    http_enable: bool = option(
        kinds.SWITCH, True, "Whether requests are served at all", applies="restart", aliases=("http", "xmlrpc")
    )
    http_socket_group: str | None = option(
        kinds.ACCOUNT,
        None,
        "The group of `unix:` sockets, such as that of the proxy; not set means that of the workers",
        applies="restart",
    )
    http_socket_mode: int = option(
        kinds.MODE,
        Derived(lambda values, _: 0o660 if values["http_socket_group"] else 0o600, "`660` with `http_socket_group`, else `600`"),
        "The permissions of `unix:` sockets; whoever may write to one may connect",
        applies="restart",
    )
    reuse_port: bool = option(
        kinds.SWITCH,
        False,
        "Whether another server may listen on the same addresses, to take over from this one or to share the work; "
        "both must set it and belong to the same account",
        applies="restart",
    )
    backlog: int = option(
        kinds.NUMBER,
        2048,
        "Connections the kernel keeps at each address until they are accepted",
        applies="restart",
        minimum=1,
        maximum=65535,
    )
    websocket_port: int = option(
        kinds.OLD_PORT,
        8072,
        "The port for WebSocket and long-polling connections alone, at each address; they are served at `http_port` as well",
        applies="restart",
        minimum=1,
        maximum=65535,
        aliases=("gevent_port", "longpolling_port"),
    )
    proxy_mode: bool = option(kinds.SWITCH, False, "Whether the X-Forwarded headers of a trusted proxy are believed")
    trusted_proxies: tuple[str, ...] = option(
        kinds.NETWORKS,
        ("127.0.0.0/8", "::1"),
        "Whose forwarded headers are believed, and who may ask for /_prefork/ pages",
    )
    lend_connections: bool = option(
        kinds.SWITCH,
        False,
        "Whether a worker may read requests of kept-alive and new connections itself, instead of having each handed over by the "
        "dispatcher. A worker has the sockets of several clients then. Not while `limit_time_real_routes` is set or a lane "
        "reserves workers",
    )
    queue_size: int = option(
        kinds.NUMBER,
        1024,
        "Requests that may wait for an idle worker, in each lane; further ones get 503",
        minimum=1,
        maximum=1_000_000,
    )
    trace_requests: int = option(
        kinds.NUMBER,
        50_000,
        "The last requests that are kept for `prefork advise` and `prefork simulate`, 24 bytes each: ten minutes of 83 a second",
        applies="restart",
        minimum=0,
        maximum=500_000,
    )
    health_paths: tuple[str, ...] = option(
        kinds.URLS,
        Derived(lambda values, _: ("/web/health",) if values["odoo"] else (), "`/web/health` for Odoo, else none"),
        "Paths that are answered for everybody without a worker: 200 while requests can be served, else 503; with a query they "
        "are requests as any other",
    )
    lanes: tuple[Lane, ...] = option(
        kinds.LANES,
        Derived(
            lambda values, _: reports_of_odoo(most_workers(values)) if values["odoo"] else (),
            "none; for Odoo `reports:/report/pdf/*|/report/download:0-N`, one less than `workers`",
        ),
        "Classes of routes with workers of their own: `2` reserves two workers for the paths that fit the pattern, `0-3` allows "
        "three at once, `1-3` does both; `|` separates patterns, `*` stands for anything, and the first lane that fits counts",
    )
    static: tuple[tuple[str, str], ...] = option(
        kinds.PLACES,
        (),
        "Directories whose files are served without the application, each behind a prefix of URLs: `/static=/srv/shop/static`",
    )
    static_max_age: float = option(
        kinds.TIME,
        Derived(
            lambda values, _: WEEK if values["odoo"] and not values["host_options"].get("dev_mode") else 0.0,
            "for Odoo a week, as it has it, and 0 with its `dev_mode`; else 0",
        ),
        "How long browsers may keep static files before they ask again; 0 leaves it to them",
        maximum=LONGEST,
    )
    sendfile_roots: tuple[Path, ...] = option(
        kinds.PATHS,
        (),
        "An answer of the application with an X-Sendfile header that names a file below one of these directories is that file; "
        "not set means that the header passes, for a proxy",
    )
    accel_redirects: tuple[tuple[str, str], ...] = option(
        kinds.PLACES,
        (),
        "An answer of the application with an X-Accel-Redirect header below one of these prefixes is a file of its directory; "
        "not set means that the header passes, for a proxy",
    )
