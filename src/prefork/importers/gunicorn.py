"""gunicorn: its configuration file, its flags, and what each of its settings is here.

Names and meanings are those of gunicorn's own settings page (versions 19 to 27).
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from prefork.importers import pyfile, sandbox
from prefork.importers.addresses import address, listening
from prefork.importers.finding import Draft, Setting, text_of
from prefork.importers.rules import (
    UNLIMITED,
    given,
    import_path,
    near,
    none,
    octal,
    same,
    seconds,
    threads,
    translate,
    true,
    truth,
    where_true,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prefork.importers.rules import Rule

ASGI = ("uvicorn", "asgi")  # uvicorn's own classes, and gunicorn's since version 24
PLAIN = ("sync", "gthread")
LEVELS = {"debug", "info", "warning", "error", "critical"}


def bind(setting: Setting, draft: Draft) -> None:
    """Every address; gunicorn takes a list, or a text with commas."""
    texts = setting.value if isinstance(setting.value, (list, tuple)) else str(setting.value).split(",")
    texts = [str(each).strip() for each in texts]
    if any(each.startswith("fd://") for each in texts):
        draft.carry(setting, {}, "sockets that systemd hands over are taken without an option")
        return
    if any("$" in each for each in texts):
        draft.change(setting, {}, "a port from the environment is a flag here: prefork serve --http-port $PORT")
        return
    options, sentence = listening([address(each) for each in texts])
    (draft.change if sentence else draft.carry)(setting, options, sentence)


def application(setting: Setting, draft: Draft) -> None:
    """`module` alone means `module:application` to gunicorn."""
    module, _, attribute = setting.text.partition(":")
    if "(" in attribute and not attribute.endswith("()"):
        raise ValueError("a factory is called without arguments here; name a function that gives them")
    draft.carry(setting, {"app": f"{module}:{attribute or 'application'}"})


def timeout(setting: Setting, draft: Draft) -> None:
    """gunicorn's is about silence of the worker, ours about a request."""
    draft.change(
        setting,
        {"limit_time_real": seconds(setting)},
        "it ends a request that takes longer, whatever kind of worker; its client gets 504 and an incident names the line",
    )


def worker_class(setting: Setting, draft: Draft) -> None:
    """What is left of the kinds of workers."""
    kind = setting.text.rpartition(".")[2].lower()
    if kind in PLAIN:
        draft.carry(setting, {}, "a worker serves one request at a time; slow clients and idle connections hold none")
    elif any(name in setting.text.lower() for name in ASGI):
        draft.carry(setting, {"interface": "asgi"}, "a worker serves `concurrency` requests at a time on its event loop")
    else:
        draft.leave(
            setting, "there are no green threads: a worker serves one request at a time; `prefork advise` says how many are needed"
        )


def access_log(setting: Setting, draft: Draft) -> None:
    """A file, or - for standard output."""
    if setting.text == "-":
        draft.carry(setting, {"access_log": "True"}, "requests are logged where everything is")
    else:
        draft.change(
            setting,
            {"access_log": "True"},
            "requests go to the same log as everything else; choose its form with access_log_format",
        )


def error_log(setting: Setting, draft: Draft) -> None:
    """A file, or - for standard error."""
    draft.carry(setting, {} if setting.text == "-" else {"logfile": setting.text})


def level(setting: Setting, draft: Draft) -> None:
    """Both have Python's names."""
    if setting.text.lower() not in LEVELS:
        raise ValueError(f'"{setting.text}" is no level')
    draft.carry(setting, {"log_level": setting.text.lower()})


def trusted(setting: Setting, draft: Draft) -> None:
    """Whose forwarded headers are believed."""
    if setting.text == "*":
        draft.leave(
            setting, "everybody could forge the client's address; name the proxy in trusted_proxies, with proxy_mode = True"
        )
    else:
        draft.carry(setting, {"proxy_mode": "True", "trusted_proxies": setting.text})


def preload(setting: Setting, draft: Draft) -> None:
    """Ours is the rule."""
    draft.carry(setting, {"preload": "auto" if true(setting) else "false"})


def environment(setting: Setting, draft: Draft) -> None:
    """Variables for the application."""
    names = re.findall(r"(\w+)=", setting.text)
    draft.leave(setting, f"set {', '.join(names) or 'them'} where the server is started, as with Environment= of its unit")


TLS = none("TLS belongs to the proxy: `prefork render` writes one for nginx, HAProxy and Apache")
STATSD = none("numbers are fetched, not sent: `prefork metrics`, and /metrics of the console")
HOOK = "it runs in the master, where no application code runs; after_fork, worker_ready and worker_exit run in workers"
RULES: Mapping[str, Rule] = {
    "wsgi_app": application,
    "bind": bind,
    "workers": same("workers", whole),
    "worker_class": worker_class,
    "threads": threads,
    "worker_connections": none("connections are the dispatcher's, which has no such bound; a worker has one request"),
    "max_requests": same("limit_request", whole),
    "max_requests_jitter": same("limit_request_jitter", whole),
    "timeout": timeout,
    "graceful_timeout": same("graceful_timeout", seconds),
    "keepalive": same("keepalive_timeout", seconds),
    **dict.fromkeys(
        ("limit_request_line", "limit_request_field_size"),
        near("max_header_size", "one bound covers the line and all fields", lambda _: "32K"),
    ),
    "limit_request_fields": given("a head has at most 100 fields"),
    "backlog": same("backlog", whole),
    "chdir": same("app_dir"),
    "pythonpath": import_path,
    "user": same("user"),
    "group": same("group"),
    "umask": same("umask", octal),
    "pidfile": same("pidfile"),
    "preload_app": preload,
    "reload": same("dev", truth),
    "reload_extra_files": none("with dev = True the application's directory is watched"),
    "reload_engine": given("the kernel tells which files change"),
    "reuse_port": same("reuse_port", truth),
    "sendfile": given("files are always sent by the dispatcher, without a worker"),
    "raw_env": environment,
    "forwarded_allow_ips": trusted,
    "secure_scheme_headers": given("X-Forwarded-Proto of a trusted proxy is what counts"),
    "accesslog": access_log,
    "access_log_format": none("the forms are prefork, odoo, combined and json; choose one with access_log_format"),
    "errorlog": error_log,
    "loglevel": level,
    **dict.fromkeys(("capture_output", "enable_stdio_inheritance"), given("what the application prints is always in the log")),
    "disable_redirect_access_to_syslog": given("nothing goes to syslog"),
    "logger_class": none("the server's log is its own; log_format = json is for programs that read"),
    **dict.fromkeys(
        ("logconfig", "logconfig_dict", "logconfig_json"),
        none("the application configures its own logging; the server's has log_format and log_level"),
    ),
    **dict.fromkeys(
        ("syslog", "syslog_addr", "syslog_prefix", "syslog_facility"),
        none("under systemd the journal has the log; syslog reads it from there"),
    ),
    **dict.fromkeys(("statsd_host", "statsd_prefix", "dogstatsd_tags"), STATSD),
    "proc_name": none("processes are named after what they do: prefork: http 1"),
    "daemon": where_true(none("it stays in the foreground: let systemd start it (`prefork render single` writes the unit)")),
    "worker_tmp_dir": given("workers are watched through shared memory, not through files"),
    "tmp_upload_dir": near("data_dir", "large bodies wait below data_dir/spool, with all else that the server keeps"),
    "initgroups": given("the groups of `user` are set"),
    "proxy_protocol": where_true(
        none("the PROXY protocol is not spoken; let the proxy send X-Forwarded-For, with proxy_mode = True")
    ),
    "proxy_allow_ips": none("the PROXY protocol is not spoken; trusted_proxies names whose headers are believed"),
    "check_config": given("`prefork check` does that"),
    "print_config": given("`prefork check --explain` does that"),
    "spew": where_true(none("`prefork stacks` shows what each worker does")),
    "dirty_apps": none("work beside requests is a job: `jobs = module` and @prefork.job"),
    **dict.fromkeys(
        ("paste", "raw_paste_global_conf"), none("name the application as module:function() that loads the paste file")
    ),
    "permit_obsolete_folding": where_true(none("folded header fields are refused: they are read differently by each server")),
    "strip_header_spaces": where_true(none("such fields are refused: they are read differently by each server")),
    "permit_unconventional_http_method": where_true(none("methods are tokens of the standard")),
    "permit_unconventional_http_version": where_true(none("only HTTP/1.0 and 1.1 are spoken")),
    "casefold_http_method": where_true(none("methods are what the client has sent")),
    **dict.fromkeys(("header_map", "forwarder_headers"), given("fields with _ are dropped: they could pass for others")),
    **dict.fromkeys(
        (
            "keyfile",
            "certfile",
            "ca_certs",
            "ciphers",
            "cert_reqs",
            "ssl_version",
            "do_handshake_on_connect",
            "suppress_ragged_eofs",
            "ssl_context",
        ),
        TLS,
    ),
    "post_fork": none("after_fork = module:function names a function of the application that each new worker calls"),
    "post_worker_init": none("worker_ready = module:function names a function that each worker calls before its first request"),
    **dict.fromkeys(
        ("worker_exit", "worker_int"), none("worker_exit = module:function names a function that each worker calls when it leaves")
    ),
    "worker_abort": given("an incident keeps the stacks of a worker that is killed"),
    "when_ready": none(f"{HOOK}; systemd is told by itself"),
    "child_exit": given("`prefork incidents` tells of every worker that has died"),
    **dict.fromkeys(("on_starting", "on_reload", "on_exit", "nworkers_changed", "pre_fork", "pre_exec"), none(HOOK)),
    **dict.fromkeys(("pre_request", "post_request"), none("it belongs into the application, as middleware")),
}
SHORT = {
    "-b": "bind", "-w": "workers", "-k": "worker_class", "-t": "timeout", "-n": "proc_name", "-c": "config", "-e": "raw_env",
    "-u": "user", "-g": "group", "-m": "umask", "-p": "pidfile", "-D": "daemon", "-R": "enable_stdio_inheritance",
}  # fmt: skip
RENAMED = {
    "log_level": "loglevel", "access_logfile": "accesslog", "access_logformat": "access_log_format", "error_logfile": "errorlog",
    "log_file": "errorlog", "keep_alive": "keepalive", "preload": "preload_app", "env": "raw_env", "name": "proc_name",
    "pid": "pidfile", "log_config": "logconfig",
}  # fmt: skip
SWITCHES = {
    "reload", "spew", "check_config", "print_config", "preload_app", "daemon", "reuse_port", "initgroups", "capture_output",
    "enable_stdio_inheritance", "proxy_protocol", "syslog", "disable_redirect_access_to_syslog", "permit_obsolete_folding",
    "strip_header_spaces", "casefold_http_method",
}  # fmt: skip


def read_file(file: Path, environ: Mapping[str, str], home: Path) -> list[Setting]:
    """The settings of a `gunicorn.conf.py` of the directory `home`; it is run only where its text does not tell. Raises
    Unreadable.
    """
    reading = pyfile.read(text_of(file), str(file), frozenset(RULES), environ)
    settings = reading.settings + reading.hooks
    if reading.unknown:
        found = sandbox.run(file, home, reading.unknown, environ)
        settings += [Setting(name, value, reading.unknown[name], ran=True) for name, value in found.items()]
    return sorted(settings, key=lambda setting: setting.line)


def read_flags(words: list[str], line: int = 0) -> list[Setting]:
    """The settings of gunicorn's command line, behind the program's name. `config` is the file that it names."""
    found: dict[str, Setting] = {}
    rest = iter(words)
    for each in rest:
        if not each.startswith("-"):
            found["wsgi_app"] = Setting("wsgi_app", each, line)
            continue
        name, joined, value = named(each)
        if name in SWITCHES:
            found[name] = Setting(name, True, line)
            continue
        text: Any = value if joined else next(rest, "")
        if name in {"bind", "raw_env"} and name in found:
            text = [*as_list(found[name].value), text]
        found[name] = Setting(name, text, line)
    return list(found.values())


def named(flag: str) -> tuple[str, bool, str]:
    """A flag's setting, whether its value is joined to it, and that value."""
    if flag.startswith("--"):
        name, joined, value = flag[2:].partition("=")
        name = name.replace("-", "_")
        return RENAMED.get(name, name), bool(joined), value
    return SHORT.get(flag[:2], flag[:2]), len(flag) > 2, flag[2:].removeprefix("=")


def as_list(value: object) -> list[object]:
    """One value or several."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def from_environment(environ: Mapping[str, str]) -> list[Setting]:
    """What GUNICORN_CMD_ARGS adds to a command line."""
    return read_flags(shlex.split(environ.get("GUNICORN_CMD_ARGS", "")))


def translated(settings: list[Setting], draft: Draft) -> None:
    """Give each setting its fate. What gunicorn does by default, and this server does not, is said too."""
    translate(settings, RULES, "gunicorn", draft)
    draft.default(**UNLIMITED | {"workers": "1", "limit_time_real": "30", "graceful_timeout": "30", "keepalive_timeout": "2"})
    if not any(setting.name == "bind" for setting in settings):
        draft.default(http_interface="127.0.0.1", http_port="8000")
