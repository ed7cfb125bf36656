"""What each of uWSGI's options is here.

Names and meanings are those of uWSGI's own options page (version 2.0), with `-` for `_`. Its sockets and its application are not in
the table: several options together make one of ours (`uwsgi.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.kinds import AUTO
from prefork.importers.rules import (
    given,
    home,
    import_path,
    mebibytes,
    near,
    none,
    octal,
    same,
    seconds,
    size,
    threads,
    true,
    where_true,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.importers.finding import Draft, Setting
    from prefork.importers.rules import Rule


def logged(setting: Setting, draft: Draft) -> None:
    """A file for the log."""
    if ":" in setting.text and not setting.text.startswith("/"):
        draft.leave(setting, "the log goes to standard error or a file; under systemd the journal has it")
    else:
        draft.carry(setting, {"logfile": setting.text})


def daemonised(setting: Setting, draft: Draft) -> None:
    """It names the log at once."""
    draft.change(
        setting,
        {"logfile": setting.text},
        "it stays in the foreground: let systemd start it (`prefork render single` writes the unit)",
    )


def owner(setting: Setting, draft: Draft) -> None:
    """`user:group` of the socket."""
    group = setting.text.rpartition(":")[2]
    draft.change(setting, {"http_socket_group": group}, "the socket belongs to the server's account; its group can be chosen")


def mapped(setting: Setting, draft: Draft) -> None:
    """`/prefix=directory`, once or often."""
    earlier = draft.options.get("static")
    draft.carry(
        setting,
        {"static": f"{earlier}, {setting.text}" if earlier else setting.text},
        "they are sent by the dispatcher, without a worker",
    )


def lazy(setting: Setting, draft: Draft) -> None:
    """Whether each worker imports by itself."""
    draft.carry(setting, {"preload": "false" if true(setting) else "auto"})


def silent(setting: Setting, draft: Draft) -> None:
    """Whether requests are logged."""
    draft.carry(setting, {"access_log": str(not true(setting))})


def fewest(setting: Setting, draft: Draft) -> None:
    """The number of workers follows the load, down to this one."""
    draft.change(
        setting,
        {"workers": AUTO, "workers_min": whole(setting)},
        "how many workers there are follows from the requests of the last minutes, as `prefork advise` tells",
    )


TLS = none("TLS belongs to the proxy: `prefork render` writes one for nginx, HAProxy and Apache")
ROUTING = none("rules for URLs belong into the proxy or the application; `static` and `health_paths` need no worker")
SPOOLER = none("work beside requests is a job: `jobs = module` and @prefork.job")
CRON = none("it is a scheduled job: `jobs = module` and @prefork.cron.schedule")
TRIGGER = none("`prefork reload` does that; with dev = True the application's directory is watched")
GREEN = none("there are no green threads: a worker serves one request at a time, websockets have workers of their own")
ALWAYS = given("it is always so")
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("processes", "workers"), same("workers", whole)),
    "threads": threads,
    "enable-threads": given("threads of the application always run"),
    "master": given("there is always a master"),
    "single-interpreter": given("a worker has one interpreter"),
    "need-app": given("an application that does not load is refused"),
    "strict": given("an unknown option is always said"),
    "thunder-lock": given("one dispatcher accepts for all workers"),
    "vacuum": given("sockets and files are always removed at the end"),
    "die-on-term": given("TERM always means stop"),
    "no-orphans": given("nothing outlives the master"),
    **dict.fromkeys(("chdir", "chdir2"), same("app_dir")),
    **dict.fromkeys(("pythonpath", "python-path", "pp"), import_path),
    **dict.fromkeys(("home", "virtualenv", "venv", "pyhome"), home),
    "uid": same("user"),
    "gid": same("group"),
    "umask": same("umask", octal),
    "chmod-socket": same("http_socket_mode", octal),
    "chown-socket": owner,
    **dict.fromkeys(("pidfile", "pidfile2", "safe-pidfile"), same("pidfile")),
    **dict.fromkeys(("daemonize", "daemonize2"), daemonised),
    **dict.fromkeys(("logto", "logto2", "logger"), logged),
    "req-logger": none("requests go to the same log as everything else; choose its form with access_log_format"),
    **dict.fromkeys(
        (
            "log-master",
            "log-reopen",
            "log-date",
            "so-keepalive",
            "http-auto-chunked",
            "http-chunked-input",
            "http-raw-body",
            "min-worker-lifetime",
            "plugin",
            "plugins",
            "plugin-dir",
            "auto-procname",
            "http-modifier1",
            "show-config",
        ),
        ALWAYS,
    ),
    "log-maxsize": none("let logrotate turn it (`prefork render single` writes its file); USR1 reopens it"),
    **dict.fromkeys(
        ("log-format", "logformat"), none("the forms are prefork, odoo, combined and json; choose one with access_log_format")
    ),
    "log-x-forwarded-for": near(
        "proxy_mode", "the address in X-Forwarded-For is believed from trusted_proxies only", lambda _: "True"
    ),
    "memory-report": given("`prefork status` and each incident tell of memory"),
    "disable-logging": silent,
    **dict.fromkeys(("log-4xx", "log-5xx"), near("access_log", "every request is logged", lambda _: "True")),
    "harakiri": near("limit_time_real", "the client gets 504, and an incident names the line", seconds),
    "harakiri-verbose": given("an incident keeps the stacks"),
    "harakiri-graceful-timeout": none("a request over its limit is ended at once"),
    "http-timeout": near("limit_time_real", "it ends the request itself, not only the wait for it", seconds),
    "socket-timeout": near("body_timeout", "it is about a client that sends nothing", seconds),
    "http-keepalive": near("keepalive_timeout", "connections are kept for this many seconds", seconds),
    **dict.fromkeys(("add-header", "route", "route-uri", "route-run", "route-if"), ROUTING),
    "http-websockets": given("WebSockets have workers of their own"),
    "max-requests": same("limit_request", whole),
    "max-requests-delta": same("limit_request_jitter", whole),
    "max-worker-lifetime": same("limit_time_worker", seconds),
    "reload-on-rss": near("limit_memory_soft", "shared memory counts in proportion, so it is reached later", mebibytes),
    "evil-reload-on-rss": near("limit_memory_hard", "shared memory counts in proportion, so it is reached later", mebibytes),
    "reload-on-as": none("address space says little about memory; limit_memory_soft counts what is used"),
    **dict.fromkeys(
        ("evil-reload-on-as", "limit-as"), none("address space says little about memory; limit_memory_hard counts what is used")
    ),
    **dict.fromkeys(("worker-reload-mercy", "reload-mercy"), same("graceful_timeout", seconds)),
    "exit-on-reload": where_true(none("a reload replaces workers one by one")),
    "listen": same("backlog", whole),
    "buffer-size": near("max_header_size", "it is about the request's head as it was sent", size),
    "post-buffering": given("a request goes to a worker once all of it has arrived"),
    "limit-post": same("max_body_size", size),
    "reuse-port": same("reuse_port", lambda setting: str(true(setting))),
    **dict.fromkeys(("static-map", "static-map2"), mapped),
    "static-expires": none("static_max_age is for all static files"),
    "static-index": none("the application answers for directories"),
    "check-static": none("name the prefix as well: static = /prefix=directory"),
    "offload-threads": given("files are always sent by the dispatcher, without a worker"),
    **dict.fromkeys(("lazy-apps", "lazy"), lazy),
    "py-autoreload": near("dev", "the kernel tells which files change", lambda setting: str(setting.text != "0")),
    **dict.fromkeys(("touch-reload", "touch-chain-reload", "touch-workers-reload", "fs-reload"), TRIGGER),
    "cheaper": given("it is off"),
    "cheaper-initial": none("it begins with workers_min, and has more as soon as requests wait"),
    **dict.fromkeys(
        (
            "cheaper-step",
            "cheaper-algo",
            "cheaper-overload",
            "cheaper-busyness-max",
            "cheaper-busyness-min",
            "cheaper-busyness-multiplier",
        ),
        none("workers = auto has one rule, a simulation of the last requests with other numbers of workers; it has no settings"),
    ),
    **dict.fromkeys(
        ("cheaper-rss-limit-soft", "cheaper-rss-limit-hard"),
        none("workers = auto never has more workers than fit into the machine's memory"),
    ),
    "idle": none("workers_min of the workers stay, however long nobody asks"),
    **dict.fromkeys(
        ("stats", "stats-server", "stats-http", "carbon", "statsd-push"),
        none("`prefork status --json` and `prefork usage --json` tell that"),
    ),
    **dict.fromkeys(("cron", "cron2", "legion-cron", "unique-cron", "timer"), CRON),
    **dict.fromkeys(("spooler", "spooler-processes", "spooler-frequency", "spooler-import", "mule", "mules", "farm"), SPOOLER),
    **dict.fromkeys(
        ("attach-daemon", "attach-daemon2", "smart-attach-daemon"),
        none("other services are not the server's children; let systemd start them"),
    ),
    **dict.fromkeys(
        ("import", "shared-import"),
        none("import it in the application; worker_ready = module:function is called before the first request"),
    ),
    "env": none("set it where the server is started, as with Environment= of its unit"),
    **dict.fromkeys(
        ("procname", "procname-prefix", "procname-prefix-spaced", "procname-master"),
        none("processes are named after what they do: prefork: http 1"),
    ),
    **dict.fromkeys(
        ("ignore-sigpipe", "ignore-write-errors", "disable-write-exception"),
        given("a client that has gone is counted, and no error"),
    ),
    "disable-sendfile": none("files are always sent by the dispatcher"),
    **dict.fromkeys(("gevent", "gevent-monkey-patch", "asyncio", "async", "ugreen", "greenlet"), GREEN),
    **dict.fromkeys(("emperor", "vassals-include"), none("each application has a server of its own")),
    **dict.fromkeys(("https", "https2", "https-socket", "http-to-https"), TLS),
    "manage-script-name": none("let the proxy keep the prefix, and the application know of it"),
    "http-to": given("requests go to the workers of this server"),
    "http-processes": given("one dispatcher is enough: it only reads and hands on"),
    "hook-master-start": none("systemd's unit has ExecStartPre= and ExecStop="),
    **dict.fromkeys(("exec-asap", "exec-pre-app"), none("systemd's unit has ExecStartPre=")),
    "cpu-affinity": none("the kernel spreads workers; systemd's unit has CPUAffinity="),
    "catch-exceptions": where_true(none("errors are the application's to show")),
}
# Where `cheaper` is a number, `processes` is only the most.
AUTOMATIC: Mapping[str, Rule] = {
    **RULES,
    "cheaper": fewest,
    **dict.fromkeys(("processes", "workers"), same("workers_max", whole, "the number of workers is found between the two")),
}
