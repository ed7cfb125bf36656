"""uvicorn's and Hypercorn's flags, which Procfiles and supervisors have, and what each of them is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.importers.addresses import address, listening
from prefork.importers.finding import Draft, Setting
from prefork.importers.rules import UNLIMITED, given, near, none, same, seconds, translate, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.importers.rules import Rule

SWITCHES = {
    "reload", "factory", "proxy-headers", "no-proxy-headers", "access-log", "no-access-log", "use-colors", "no-use-colors",
    "server-header", "no-server-header", "date-header", "no-date-header",
}  # fmt: skip
TLS = none("TLS belongs to the proxy: `prefork render` writes one for nginx, HAProxy and Apache")


def bind(setting: Setting, draft: Draft) -> None:
    """Hypercorn's, like gunicorn's."""
    options, sentence = listening([address(setting.text)])
    (draft.change if sentence else draft.carry)(setting, options, sentence)


def port(setting: Setting, draft: Draft) -> None:
    """A number, or what the environment says."""
    if setting.text.startswith("$"):
        draft.change(setting, {}, f"a port from the environment is a flag here: prefork serve --http-port {setting.text}")
    else:
        draft.carry(setting, {"http_port": whole(setting)})


def trusted(setting: Setting, draft: Draft) -> None:
    """Whose forwarded headers are believed."""
    if setting.text == "*":
        draft.leave(setting, "everybody could forge the client's address; name the proxy in trusted_proxies")
    else:
        draft.carry(setting, {"proxy_mode": "True", "trusted_proxies": setting.text})


def interface(setting: Setting, draft: Draft) -> None:
    """Versions of ASGI are told apart by themselves."""
    draft.carry(setting, {"interface": "asgi" if setting.text.startswith("asgi") else setting.text})


def environment(setting: Setting, draft: Draft) -> None:
    """A file of variables."""
    draft.leave(setting, f"let systemd's unit read it: EnvironmentFile={setting.text}")


RULES: Mapping[str, Rule] = {
    "app": same("app"),
    "factory": given("app = module:function() calls it"),
    "app-dir": same("app_dir"),
    "host": same("http_interface"),
    "port": port,
    "bind": bind,
    "uds": same("http_interface", lambda setting: f"unix:{setting.text}"),
    "fd": given("sockets that systemd hands over are taken without an option"),
    "workers": same("workers", whole),
    "worker-class": given("the loop is uvloop where the application's environment has it"),
    "loop": given("the loop is uvloop where the application's environment has it"),
    "http": given("there is one parser"),
    "ws": given("WebSockets have workers of their own"),
    "ws-max-size": near("websocket_message_max", "a client's message", whole),
    "ws-ping-interval": same("websocket_ping", seconds),
    "ws-ping-timeout": given("it is as long as websocket_ping"),
    "lifespan": given("it is spoken where the application knows it"),
    "interface": interface,
    "reload": same("dev", lambda _: "True"),
    "proxy-headers": near("proxy_mode", "they are believed from trusted_proxies only", lambda _: "True"),
    "no-proxy-headers": same("proxy_mode", lambda _: "False"),
    "forwarded-allow-ips": trusted,
    "root-path": none("let the proxy keep the prefix, and the application know of it"),
    "limit-concurrency": near("queue_size", "so many requests may wait for a worker, further ones get 503", whole),
    "limit-max-requests": same("limit_request", whole),
    "backlog": same("backlog", whole),
    "timeout-keep-alive": same("keepalive_timeout", seconds),
    "keep-alive": same("keepalive_timeout", seconds),
    "timeout-graceful-shutdown": same("graceful_timeout", seconds),
    "graceful-timeout": same("graceful_timeout", seconds),
    "h11-max-incomplete-event-size": same("max_header_size", whole),
    "log-level": near("log_level", "trace is debug here", lambda setting: setting.text.replace("trace", "debug")),
    "log-config": none("the application configures its own logging; the server's has log_format and log_level"),
    "access-log": same("access_log", lambda _: "True"),
    "access-logfile": near("access_log", "requests go to the same log as everything else", lambda _: "True"),
    "no-access-log": same("access_log", lambda _: "False"),
    "use-colors": given("the log has no colours"),
    "no-use-colors": given("the log has no colours"),
    "server-header": given("no version is told"),
    "no-server-header": given("no version is told"),
    "date-header": given("it is there unless the application has set it"),
    "header": none("the application or the proxy sets headers"),
    "env-file": environment,
    "ssl-keyfile": TLS,
    "ssl-certfile": TLS,
    "keyfile": TLS,
    "certfile": TLS,
}


def read_flags(words: list[str], line: int = 0) -> list[Setting]:
    """The settings of a command line, behind the program's name."""
    short = {"-b": "bind", "-w": "workers", "-k": "worker-class"}
    found, rest = [], list(words)
    while rest:
        name, joined, value = rest.pop(0).partition("=")
        if not name.startswith("-"):
            found.append(Setting("app", name, line))
            continue
        name = short.get(name, name.removeprefix("--"))
        if name not in SWITCHES and not joined and rest:
            value = rest.pop(0)
        found.append(Setting(name, value, line))
    if any(setting.name == "factory" for setting in found):
        found = [Setting("app", f"{each.text}()", line) if each.name == "app" else each for each in found]
    return found


def translated(settings: list[Setting], draft: Draft) -> None:
    """Give each its fate."""
    translate(settings, RULES, "uvicorn", draft)
    draft.default(**UNLIMITED | {"workers": "1", "http_port": "8000", "keepalive_timeout": "5"})
