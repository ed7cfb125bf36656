"""Every option, declared once, in the groups that `--help` and the documentation show.

A declaration's help says in one sentence what the value means; its kind and range say what may be written. An option whose change
needs a restart is held by an open socket or file, or by a process that outlives reloads.
"""

# ruff: noqa: RUF009 - option() is dataclasses.field() with a declaration

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.hosted import wants_reload
from prefork.config.option import Derived, Surroundings, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.config.lanes import Lane

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SHORTEST, LONGEST = 0.001, 31_536_000.0  # seconds
HIGHEST = 2**31 - 1


def home_for(values: Mapping[str, Any], surroundings: Surroundings) -> Path:
    """The data directory of an application: below the user's data, told apart by the application's path."""
    app_dir = str(values["app_dir"])
    mark = hashlib.sha256(os.fsencode(app_dir)).hexdigest()[:8]
    place = f"{os.path.basename(app_dir) or 'root'}-{mark}"
    data_home = surroundings.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data_home):
        return Path(data_home, "prefork", place)
    home = surroundings.environ.get("HOME") or os.path.expanduser("~")
    if not os.path.isabs(home):  # a user id without an account, as in some containers
        return Path(app_dir, ".prefork")
    return Path(home, ".local", "share", "prefork", place)


@dataclass(frozen=True, kw_only=True)
class Application:
    """What is served, and with which interpreter."""

    app: str | None = option(
        kinds.APP, None, "The application, or a factory that is called once to get it; `prefork serve APP` says the same"
    )
    app_dir: Path = option(
        kinds.PATH,
        Derived(lambda _, surroundings: surroundings.cwd, "the current directory"),
        "The directory that goes first on the application's `sys.path` and is its current directory",
    )
    python: Path = option(
        kinds.PROGRAM,
        Derived(lambda _, __: Path(sys.executable), "Prefork's own interpreter"),
        "The interpreter of the application's environment, Python 3.9 or later; Prefork itself need not be installed there",
    )
    preload: str = option(
        kinds.PRELOAD,
        "auto",
        "Whether workers are forked from a process that has imported the application; auto imports in each worker instead "
        "when the import leaves threads or open connections behind",
    )
    dev: bool = option(
        kinds.SWITCH,
        Derived(lambda values, _: wants_reload(values["host_options"].get("dev_mode", "")), "yes where `dev_mode` names it"),
        "For development: whether the server reloads when a file of the application, or the configuration file, changes; the same "
        "as `reload` or `all` in Odoo's `dev_mode`",
    )
    after_fork: str | None = option(
        kinds.HOOK,
        None,
        "A function of the application that each new worker calls first: to reconnect, to start threads; what it raises means "
        "that the worker cannot get ready",
    )
    worker_ready: str | None = option(
        kinds.HOOK, None, "One that it calls last, right before it takes requests: to warm caches; as `after_fork` if it raises"
    )
    worker_exit: str | None = option(
        kinds.HOOK, None, "One that it calls when it leaves after its last request: to flush what is buffered; a failure is logged"
    )
    server_wide_modules: tuple[str, ...] = option(
        kinds.NAMES, (), "The modules that Odoo loads for every database", aliases=("load",), inert=True
    )


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many processes of each kind there are, and what starts them."""

    workers: int = option(
        kinds.NUMBER,
        2,
        "HTTP workers, each serving one request at a time; 0 is threaded mode, for development: one process with `threads`",
        minimum=0,
        maximum=512,
    )
    # A browser opens six connections; one message hands the pairs of all threads to their process.
    threads: int = option(kinds.NUMBER, 8, "Requests served at a time in threaded mode (`workers = 0`)", minimum=1, maximum=32)
    max_cron_threads: int = option(kinds.NUMBER, 1, "Workers for scheduled jobs", minimum=0, maximum=512, inert=True)
    websocket_workers: int = option(
        kinds.NUMBER, 1, "Workers for WebSocket and long-polling connections", minimum=0, maximum=512, inert=True
    )
    boot_timeout: float = option(
        kinds.TIME, 120.0, "A worker that is not ready after this time counts as failed", minimum=SHORTEST, maximum=LONGEST
    )
    graceful_timeout: float = option(
        kinds.TIME, 60.0, "At a stop, requests still running after this time are cut", minimum=0, maximum=LONGEST
    )
    drain_delay: float = option(
        kinds.TIME,
        0.0,
        "At a stop, readiness is denied for this time before connections are refused, so that load balancers notice",
        minimum=0,
        maximum=LONGEST,
    )


@dataclass(frozen=True, kw_only=True)
class HTTP:
    """Where requests come in, whose word about the client is taken, and how many may wait."""

    http_interface: tuple[str, ...] = option(
        kinds.INTERFACES,
        ("127.0.0.1",),
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
        "The port for WebSocket and long-polling connections",
        applies="restart",
        minimum=1,
        maximum=65535,
        aliases=("gevent_port", "longpolling_port"),
        inert=True,
    )
    proxy_mode: bool = option(kinds.SWITCH, False, "Whether the X-Forwarded headers of a trusted proxy are believed")
    trusted_proxies: tuple[str, ...] = option(
        kinds.NETWORKS,
        ("127.0.0.0/8", "::1"),
        "Whose forwarded headers are believed, and who may ask for /_prefork/ pages",
    )
    queue_size: int = option(
        kinds.NUMBER,
        1024,
        "Requests that may wait for an idle worker, in each lane; further ones get 503",
        minimum=1,
        maximum=1_000_000,
    )
    lanes: tuple[Lane, ...] = option(
        kinds.LANES,
        (),
        "Classes of routes with workers of their own: `2` reserves two workers for the paths that fit the pattern, `0-3` allows "
        "three at once, `1-3` does both; `|` separates patterns, `*` stands for anything, and the first lane that fits counts",
    )
    static: tuple[tuple[str, str], ...] = option(
        kinds.PLACES,
        (),
        "Directories whose files are served without the application, each behind a prefix of URLs: `/static=/srv/shop/static`",
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
    console: bool = option(kinds.SWITCH, False, "Whether the web console runs", applies="restart", inert=True)
    console_port: int = option(
        kinds.PORT, 8071, "The port of the web console", applies="restart", minimum=1, maximum=65535, inert=True
    )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a worker is replaced, and what a request may take."""

    limit_request: int = option(
        kinds.NUMBER, 65536, "A worker is replaced after this many requests; 0 means never", minimum=0, maximum=HIGHEST
    )
    limit_request_jitter: int = option(
        kinds.NUMBER,
        Derived(lambda values, _: values["limit_request"] // 10, "a tenth of `limit_request`"),
        "Up to this many requests are added at random, so that workers are not replaced together",
        minimum=0,
        maximum=HIGHEST,
    )
    limit_memory_soft: int = option(
        kinds.SIZE,
        2 * GIB,
        "A worker above this is replaced after its current request (shared memory counts in proportion); 0 means no limit",
    )
    limit_memory_hard: int = option(kinds.SIZE, 2 * GIB + GIB // 2, "A worker above this is killed at once; 0 means no limit")
    limit_memory_soft_gevent: int | None = option(
        kinds.SIZE, None, "The soft limit of WebSocket workers; not set means the same as `limit_memory_soft`", inert=True
    )
    limit_memory_hard_gevent: int | None = option(
        kinds.SIZE, None, "The hard limit of WebSocket workers; not set means the same as `limit_memory_hard`", inert=True
    )
    limit_time_cpu: float = option(
        kinds.TIME,
        60.0,
        "A worker whose request has used this much processor time is killed; 0 means no limit",
        maximum=LONGEST,
    )
    limit_time_real: float = option(
        kinds.TIME, 120.0, "A worker whose request has run for this long is killed; 0 means no limit", maximum=LONGEST
    )
    limit_time_real_routes: tuple[tuple[str, float], ...] = option(
        kinds.ROUTE_TIMES,
        (),
        "Routes with a `limit_time_real` of their own, such as `/report/*:600`; `*` stands for anything, the first match counts",
    )
    limit_time_worker: float = option(
        kinds.TIME, 0.0, "A worker is replaced at this age, or up to a tenth later; 0 means never", maximum=LONGEST
    )
    limit_time_real_cron: float | None = option(
        kinds.CRON_TIME,
        None,
        "A worker whose scheduled job has run for this long is killed; 0 means no limit, -1 the same as `limit_time_real`",
        maximum=LONGEST,
        inert=True,
    )
    limit_time_worker_cron: float = option(
        kinds.TIME, 0.0, "A worker for scheduled jobs is replaced at this age; 0 means never", maximum=LONGEST, inert=True
    )
    max_header_size: int = option(kinds.SIZE, 32 * KIB, "A request whose head is larger gets 431", minimum=KIB, maximum=64 * KIB)
    max_body_size: int = option(kinds.SIZE, 128 * MIB, "A request whose body is larger gets 413", minimum=0, maximum=1 << 50)
    response_spool_max: int = option(
        kinds.SIZE,
        GIB,
        "This much of a response may wait on disk, in `data_dir`, for a client that reads slowly; beyond it the worker waits",
        minimum=0,
        maximum=1 << 50,
    )


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long clients and requests may take before they reach a worker."""

    header_timeout: float = option(
        kinds.TIME, 30.0, "A client has this long to send a request's head", minimum=SHORTEST, maximum=LONGEST
    )
    body_timeout: float = option(
        kinds.TIME,
        60.0,
        "A client that sends nothing of a request's body for this long is cut off",
        minimum=SHORTEST,
        maximum=LONGEST,
    )
    keepalive_timeout: float = option(
        kinds.TIME,
        75.0,
        "An idle connection is kept open for this long; 0 closes it after each response",
        minimum=0,
        maximum=LONGEST,
    )
    queue_timeout: float = option(
        kinds.TIME,
        30.0,
        "A request that has waited this long for an idle worker gets 503",
        minimum=SHORTEST,
        maximum=LONGEST,
    )


@dataclass(frozen=True, kw_only=True)
class Logging:
    """What is written about the server and its requests, and where."""

    logfile: Path | None = option(kinds.PATH, None, "The file to log to; not set means standard error", applies="restart")
    log_level: str = option(
        kinds.LEVEL, "info", "The least important messages to log; the names that Odoo uses are understood too", applies="restart"
    )
    log_format: str = option(kinds.FORMAT, "text", "Lines for people, or one JSON object per line", applies="restart")
    access_log: bool = option(kinds.SWITCH, True, "Whether each request is logged")
    access_log_format: str = option(
        kinds.ACCESS,
        Derived(lambda values, _: "json" if values["log_format"] == "json" else "prefork", "that of `log_format`"),
        "Our own line with waiting and processor time, the line that Odoo writes, that of Apache and nginx, or a JSON object",
        applies="restart",
    )
    access_log_exclude: tuple[str, ...] = option(
        kinds.PATTERNS, (), "Paths, such as `/web/health*`, whose requests are logged only when they fail"
    )


@dataclass(frozen=True, kw_only=True)
class Process:
    """The server's own files and rights."""

    data_dir: Path = option(
        kinds.PATH,
        Derived(home_for, "`$XDG_DATA_HOME` or `~/.local/share`, then `prefork/` and a name made from `app_dir`"),
        "The directory of the control socket and everything else Prefork keeps",
        applies="restart",
    )
    pidfile: Path | None = option(kinds.PATH, None, "The file that holds the master's process id while it runs", applies="restart")
    user: str | None = option(kinds.ACCOUNT, None, "The account workers run as; needs root", applies="restart")
    group: str | None = option(
        kinds.ACCOUNT, None, "The group workers run as; not set means the main group of `user`; needs root", applies="restart"
    )
    umask: int = option(
        kinds.MODE, 0o022, "Permissions removed from files that workers create; 022 lets others read them, 077 nobody else"
    )
    stop_after_init: bool = option(
        kinds.SWITCH, False, "Whether `prefork serve` only checks the configuration and exits", applies="restart"
    )


GROUPS: tuple[type, ...] = (Application, Workers, HTTP, Limits, Timeouts, Logging, Process)
