"""NGINX Unit: its JSON configuration, and what each of its settings is here.

One server has one application: the first Python one is taken, the others are named.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prefork.config.kinds import AUTO
from prefork.importers.addresses import address, listening
from prefork.importers.finding import Draft, Setting, Unreadable, text_of
from prefork.importers.rules import UNLIMITED, given, home, import_path, near, none, same, seconds, size, threads, translate, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prefork.importers.rules import Rule


def processes(setting: Setting, draft: Draft) -> None:
    """A number, or `{"max": …, "spare": …}`: so many at the most, and so many idle ones that are kept."""
    if isinstance(setting.value, dict):
        most, spare = (whole(Setting(name, setting.value.get(name, 1))) for name in ("max", "spare"))
        draft.change(
            setting,
            {"workers": AUTO, "workers_min": str(max(1, int(spare))), "workers_max": most},
            "there are never fewer than `spare`, idle or not; how many more follows from the requests of the last minutes",
        )
    else:
        draft.carry(setting, {"workers": whole(setting)})


def protocol(setting: Setting, draft: Draft) -> None:
    """Which of the two interfaces it is."""
    if setting.text not in {"asgi", "wsgi"}:
        raise ValueError(f'"{setting.text}" is neither asgi nor wsgi')
    draft.carry(setting, {"interface": setting.text})


APPLICATION: Mapping[str, Rule] = {
    "processes": processes,
    "threads": threads,
    "path": import_path,
    "working_directory": same("app_dir"),
    "home": home,
    "user": same("user"),
    "group": same("group"),
    "limits.timeout": near("limit_time_real", "the client gets 504, and an incident names the line", seconds),
    "limits.requests": same("limit_request", whole),
    "limits.shm": none("large bodies and answers wait in files; response_spool_max bounds them"),
    "protocol": protocol,
    "environment": none("set it where the server is started, as with Environment= of its unit"),
    "thread_stack_size": none("ulimit -s, or LimitSTACK= of systemd's unit"),
    "prefix": none("let the proxy keep the prefix, and the application know of it"),
    "stdout": none("what the application prints is in the log"),
    "stderr": near("logfile", "what the application prints is in the log, with everything else"),
    "isolation": none("systemd's unit confines it: `prefork render single` writes one that does"),
    "targets": none("one server has one application; mount others in it, or let the proxy choose between servers"),
}
HTTP: Mapping[str, Rule] = {
    "header_read_timeout": same("header_timeout", seconds),
    "body_read_timeout": same("body_timeout", seconds),
    "send_timeout": given("a client that reads slowly holds no worker"),
    "idle_timeout": same("keepalive_timeout", seconds),
    "max_body_size": same("max_body_size", size),
    "body_temp_path": near("data_dir", "large bodies wait below data_dir/spool, with all else that the server keeps"),
    "discard_unsafe_fields": given("unsafe fields are dropped"),
    "log_route": none("`prefork routes` tells where the time goes"),
    "server_version": given("no version is told"),
    "static": none("types of files are those of Python's own table"),
}


def read_file(file: Path, _environ: Mapping[str, str]) -> dict[str, Any]:
    """The configuration. Raises Unreadable."""
    try:
        found = json.loads(text_of(file))
    except json.JSONDecodeError as error:
        raise Unreadable(f"{file}:{error.lineno}: it is not JSON: {error.msg}") from None
    if not isinstance(found, dict) or not isinstance(found.get("applications"), dict):
        raise Unreadable(f'{file}: it has no "applications"; this is the whole configuration, as GET /config answers it')
    return found


def translated(found: dict[str, Any], draft: Draft) -> None:
    """Give each part its fate."""
    applications = {name: each for name, each in found["applications"].items() if str(each.get("type", "")).startswith("python")}
    if not applications:
        raise Unreadable("none of its applications is in Python")
    name, chosen = next(iter(applications.items()))
    for other in found["applications"]:
        if other != name:
            draft.leave(
                Setting(f"applications.{other}", found["applications"][other].get("type", "")), "it needs a server of its own"
            )
    listen(found.get("listeners", {}), draft)
    module, attribute = chosen.get("module"), chosen.get("callable", "application")
    if module:
        factory = "()" * bool(chosen.get("factory"))
        draft.carry(Setting(f"applications.{name}.module", module), {"app": f"{module}:{attribute}{factory}"})
    rest = {key: value for key, value in chosen.items() if key not in {"type", "module", "callable", "factory"}}
    translate(list(flat(rest)), APPLICATION, "Unit", draft)
    translate(list(flat(found.get("settings", {}).get("http", {}))), HTTP, "Unit", draft)
    routed(found.get("routes", []), draft)
    if "access_log" in found:
        draft.change(
            Setting("access_log", found["access_log"]), {"access_log": "True"}, "requests go to the same log as everything else"
        )
    draft.default(workers="1", **UNLIMITED)


def flat(values: Mapping[str, Any]) -> Iterator[Setting]:
    """Settings; those within `limits` by their whole name."""
    for name, value in values.items():
        if name == "limits" and isinstance(value, dict):
            yield from (Setting(f"limits.{inner}", each) for inner, each in value.items())
        else:
            yield Setting(name, value)


def listen(listeners: Mapping[str, Any], draft: Draft) -> None:
    """All of them are one option."""
    taken = []
    for name, each in listeners.items():
        setting = Setting(f"listeners.{name}", each.get("pass", ""))
        taken.append(address(name))
        options, sentence = listening(taken)
        if "tls" in each:
            sentence = "TLS belongs to the proxy: `prefork render` writes one"
        if "forwarded" in each:
            options |= {"proxy_mode": "True", "trusted_proxies": ", ".join(each["forwarded"].get("source", [])) or "127.0.0.1"}
        (draft.change if sentence else draft.carry)(setting, options, sentence)


def routed(routes: Any, draft: Draft) -> None:
    """Shares of directories become `static`; other routes belong to the proxy."""
    steps = routes if isinstance(routes, list) else [step for each in routes.values() for step in each]
    shares = {}
    for step in steps:
        action, match = step.get("action", {}), step.get("match", {}).get("uri")
        share = action.get("share")
        if share and isinstance(match, str) and match.endswith("/*") and isinstance(share, str) and share.endswith("$uri"):
            prefix = match.removesuffix("/*")
            shares[prefix] = share.removesuffix("$uri").rstrip("/") + prefix
            setting = Setting(f"routes: {match}", share)
            draft.carry(
                setting,
                {"static": ", ".join(f"{each}={place}" for each, place in shares.items())},
                "they are sent by the dispatcher",
            )
        elif not str(action.get("pass", "")).startswith("applications/"):
            draft.leave(Setting("routes", json.dumps(step)), "rules for URLs belong into the proxy or the application")
