"""uWSGI: how its ini files and its flags are read, and which options of it together are one of ours.

`-` and `_` are the same to it. What each of its other options is here is the table of `uwsgi_options.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.importers.addresses import Address, address, listening
from prefork.importers.finding import Draft, Setting, Unreadable, text_of
from prefork.importers.rules import UNLIMITED, translate
from prefork.importers.uwsgi_options import AUTOMATIC, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
KNOWN = frozenset(RULES) | SOCKETS | APPLICATION | LOGIC


def read_file(file: Path, environ: Mapping[str, str], home: Path) -> list[Setting]:
    """The options of [uwsgi] in an ini file of the directory `home`, its placeholders filled in. Raises Unreadable."""
    lines = text_of(file).splitlines()
    section, found, names = "", [], magic((home / file.name).absolute())
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if header := HEADER.fullmatch(line):
            section = header[1]
        elif line.startswith("["):
            raise Unreadable(f"{file}:{number}: the name of a section does not end; close it as in [uwsgi]")
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
    translate(plain, AUTOMATIC if automatic else RULES, "uWSGI", draft)
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
