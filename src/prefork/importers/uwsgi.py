"""uWSGI: its ini files, its flags, and what each of its options is here.

Names and meanings are those of uWSGI's own options page (version 2.0); `-` and `_` are the same to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.config.kinds import AUTO
from prefork.importers.addresses import Address, address, listening
from prefork.importers.finding import Draft, Setting, Unreadable
from prefork.importers.rules import (
    UNLIMITED,
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
    translate,
    true,
    where_true,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prefork.importers.rules import Rule

HEADER = re.compile(r"\[([^\]]*)\]")
PLACEHOLDER = re.compile(r"%\((\w[\w.-]*)\)")
VARIABLE = re.compile(r"\$\((\w+)\)")
LOGIC = {
    "if-env",
    "if-not-env",
    "if-exists",
    "if-not-exists",
    "if-file",
    "if-dir",
    "if-opt",
    "if-not-opt",
    "if-reload",
    "endif",
    "for",
    "endfor",
}
SOCKETS = {"http", "http-socket", "http-router", "socket", "uwsgi-socket", "http11-socket"}
APPLICATION = {"module", "wsgi", "wsgi-file", "file", "callable", "mount"}


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
# Where `cheaper` is a number, `processes` is only the most.
AUTOMATIC: Mapping[str, Rule] = {
    "cheaper": fewest,
    **dict.fromkeys(("processes", "workers"), same("workers_max", whole, "the number of workers is found between the two")),
}
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

KNOWN = frozenset(RULES) | SOCKETS | APPLICATION | LOGIC


def read_file(file: Path, environ: Mapping[str, str]) -> list[Setting]:
    """The options of an ini file's [uwsgi], its placeholders filled in. Raises Unreadable."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    section, found, names = "", [], magic(file.absolute())
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if header := HEADER.fullmatch(line):
            section = header[1]
        elif section in {"uwsgi", ""}:
            name, _, value = line.partition("=")
            name = name.strip().replace("_", "-")
            text = filled(value.strip() or "true", names, environ)
            names[name] = text
            if name in {"set-placeholder", "set-ph", "set"}:
                key, _, text = text.partition("=")
                names[key.strip()] = text.strip()
            elif name in KNOWN or not is_name(name, lines):
                found.append(Setting(name, text, number))
    if not found:
        raise Unreadable(f"{file}: it has no options below [uwsgi]")
    return found


def is_name(option: str, lines: list[str]) -> bool:
    """Whether an option only gives a text a name, which other lines use."""
    return any(match.replace("_", "-") == option for line in lines for match in PLACEHOLDER.findall(line))


def magic(file: Path) -> dict[str, str]:
    """What `%d`, `%n` and their like stand for."""
    return {"%d": f"{file.parent}/", "%p": str(file), "%s": file.name, "%n": file.stem, "%c": file.parent.name}


def filled(text: str, names: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """A value with its placeholders; one that is not known stays."""
    text = PLACEHOLDER.sub(lambda match: names.get(match[1].replace("_", "-"), names.get(match[1], match[0])), text)
    text = VARIABLE.sub(lambda match: environ.get(match[1], match[0]), text)
    for sign in ("%d", "%p", "%s", "%n", "%c"):
        text = text.replace(sign, names[sign])
    return text


def read_flags(words: list[str], line: int = 0) -> list[Setting]:
    """The options of uWSGI's command line, behind the program's name."""
    short = {
        "-p": "processes",
        "-s": "socket",
        "-w": "module",
        "-H": "home",
        "-M": "master",
        "-T": "enable-threads",
        "-i": "single-interpreter",
    }
    found, rest = [], list(words)
    while rest:
        name, joined, value = rest.pop(0).partition("=")
        name = short.get(name, name.removeprefix("--")).replace("_", "-")
        if not joined:
            value = rest.pop(0) if rest and not rest[0].startswith("-") else "true"
        found.append(Setting(name, value, line))
    return found


def translated(settings: list[Setting], draft: Draft) -> None:
    """Give each option its fate. What uWSGI does by default, and this server does not, is said too."""
    plain = [each for each in settings if each.name not in SOCKETS | APPLICATION | LOGIC]
    listen([each for each in settings if each.name in SOCKETS], draft)
    applied([each for each in settings if each.name in APPLICATION], draft)
    for each in settings:
        if each.name in LOGIC:
            draft.leave(each, "what stands between conditions and loops was taken over as if they always held; look at it")
    automatic = any(each.name == "cheaper" and each.text != "0" for each in plain)
    translate(plain, {**RULES, **AUTOMATIC} if automatic else RULES, "uWSGI", draft)
    draft.default(workers="1", **UNLIMITED)
    draft.findings.sort(key=lambda finding: finding.setting.line)


def listen(sockets: list[Setting], draft: Draft) -> None:
    """All sockets are one option. The uwsgi protocol is not spoken."""
    found: list[Address] = []
    for setting in sockets:
        try:
            found.append(address(setting.text))
        except ValueError as error:
            draft.leave(setting, f"its value cannot be taken over: {error}")
            continue
        options, sentence = listening(found)
        if setting.name in {"socket", "uwsgi-socket"}:
            sentence = (
                "HTTP is spoken there, not uWSGI's own protocol: nginx's uwsgi_pass becomes proxy_pass, with proxy_mode = True here"
            )
            options |= {"proxy_mode": "True"}
        (draft.change if sentence else draft.carry)(setting, options, sentence)


def applied(settings: list[Setting], draft: Draft) -> None:
    """`module`, `wsgi-file` and `callable` together name the application."""
    names = {each.name: each.text for each in settings}
    module, _, attribute = (names.get("module") or names.get("wsgi") or "").partition(":")
    attribute = names.get("callable") or attribute or "application"
    for each in settings:
        file = each.text.removesuffix(".py")
        if each.name in {"wsgi-file", "file"}:
            directory, _, module = file.rpartition("/")
            moved = {"app_dir": directory} if directory else {}
            if module.isidentifier():
                draft.change(each, {"app": f"{module}:{attribute}", **moved}, "the file is imported as a module")
            else:
                draft.leave(each, f"{module} is no name of a module; rename the file, and name it in app")
        elif each.name == "mount":
            place, _, mounted = each.text.partition("=")
            if place in {"/", ""}:
                draft.carry(each, {"app": mounted if ":" in mounted else f"{mounted.removesuffix('.py')}:{attribute}"})
            else:
                draft.leave(each, "one server has one application; mount others in it, or let the proxy choose between servers")
        elif module:
            draft.carry(each, {"app": f"{module}:{attribute}"})
        else:
            draft.leave(each, "the module is missing: name both as app = module:attribute")
