"""Files that start other servers: Procfiles and supervisor's programs. Each command line is given to its server's importer."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from prefork.importers import gunicorn, odoo, uvicorn, uwsgi
from prefork.importers.finding import Draft, Setting, Unreadable
from prefork.importers.rules import given, near, none, same, seconds, translate, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.importers.rules import Rule

ENTRY = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
ASSIGNED = re.compile(r"[A-Za-z_]\w*=.*")
WRAPPERS = {
    "exec",
    "env",
    "nohup",
    "poetry",
    "pipenv",
    "uv",
    "run",
    "python",
    "python3",
    "-m",
    "newrelic-admin",
    "run-program",
    "ddtrace-run",
}
KNOWN = {"gunicorn", "uwsgi", "uvicorn", "hypercorn", "odoo", "odoo-bin"}
ELSEWHERE = "it starts no web server that is known here; scheduled work is a job: `jobs = module`"


def stopping(setting: Setting, draft: Draft) -> None:
    """A signal is understood, or means something else here."""
    if str(setting.value).upper().removeprefix("SIG") in {"TERM", "INT"}:
        draft.carry(setting, {}, "TERM and INT stop the server after its requests")
    else:
        draft.leave(setting, "TERM or INT stops the server; QUIT has it log stacks, HUP reload, USR1 reopen its log")


SUPERVISOR: Mapping[str, Rule] = {
    "directory": same("app_dir"),
    "user": same("user"),
    "umask": same("umask"),
    "stdout_logfile": near("logfile", "standard output and error are one log"),
    "stderr_logfile": near("logfile", "standard output and error are one log"),
    "redirect_stderr": given("standard output and error are one log"),
    "stopwaitsecs": same("graceful_timeout", seconds),
    "startsecs": near("boot_timeout", "a worker has this long to get ready", lambda setting: str(max(10, int(whole(setting))))),
    "stopsignal": stopping,
    "environment": none("set it where the server is started, as with Environment= of its unit"),
}
PROGRAMS = none("systemd starts the server: `prefork render single` writes its unit")


def procfile(file: Path, environ: Mapping[str, str], draft: Draft) -> None:
    """The first line that starts a web server, `web` before all others. Raises Unreadable."""
    entries = []
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        if match := ENTRY.fullmatch(line.strip()):
            entries.append(Setting(match[1], match[2], number))
    entries.sort(key=lambda entry: entry.name != "web")
    taken = False
    for entry in entries:
        if taken or program(words_of(entry)) is None:
            draft.leave(entry, ELSEWHERE)
        else:
            taken = True
            started(entry, file.parent, environ, draft)
    if not taken:
        raise Unreadable(f"{file}: no line of it starts gunicorn, uWSGI, uvicorn, Hypercorn or Odoo")


def supervisor(file: Path, environ: Mapping[str, str], draft: Draft) -> None:
    """The first [program:…] that starts a web server. Raises Unreadable."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(text_of(file), str(file))
    except configparser.Error as error:
        raise Unreadable(f"{file}: {str(error).splitlines()[0]}") from None
    for name in parser.sections():
        entry = Setting(f"{name} command", parser.get(name, "command", fallback=""), line_of(file, name))
        if not name.startswith("program:") or draft.options or program(words_of(entry)) is None:
            draft.leave(Setting(name, "", entry.line), ELSEWHERE if name.startswith("program:") else "it is supervisor's own")
            continue
        place = Path(parser.get(name, "directory", fallback=str(file.parent)))
        started(entry, place, environ, draft)
        rest = [Setting(key, value, entry.line) for key, value in parser.items(name) if key != "command"]
        translate(rest, {each.name: SUPERVISOR.get(each.name, PROGRAMS) for each in rest}, "supervisor", draft)
    if not draft.options:
        raise Unreadable(f"{file}: no [program:…] of it starts gunicorn, uWSGI, uvicorn, Hypercorn or Odoo")


def started(entry: Setting, place: Path, environ: Mapping[str, str], draft: Draft) -> None:
    """What one command line says, and the file that it names."""
    words = words_of(entry)
    path = program(words)
    assert path is not None  # whoever calls has looked
    name, arguments = PurePath(path).name, words[words.index(path) + 1 :]
    if (python := PurePath(path).parent / "python").is_absolute():
        draft.carry(Setting("program", path, entry.line), {"python": str(python)}, "the environment that the program stands in")
    if name == "gunicorn":
        settings = gunicorn.read_flags(arguments, entry.line)
        file = next((Path(each.text) for each in settings if each.name == "config"), None)
        flags = [each for each in settings if each.name != "config"]
        earlier = gunicorn.read_file(place / file, environ) if file and not file.name.startswith("python:") else []
        named = {each.name for each in flags}
        gunicorn.translated([*(each for each in earlier if each.name not in named), *flags], draft)
    elif name == "uwsgi":
        settings = uwsgi.read_flags(arguments, entry.line)
        files = [Path(each.text) for each in settings if each.name == "ini" or each.name.endswith(".ini")]
        flags = [each for each in settings if each.name != "ini" and not each.name.endswith(".ini")]
        uwsgi.translated([*(each for file in files for each in uwsgi.read_file(place / file, environ)), *flags], draft)
    elif name in {"odoo", "odoo-bin"}:
        odoo.started(Setting("command", path, entry.line), arguments, place, draft)
    else:
        uvicorn.translated(uvicorn.read_flags(arguments, entry.line), draft)


def words_of(entry: Setting) -> list[str]:
    """A command line's words; the variables before it are the environment's."""
    try:
        words = shlex.split(str(entry.value))
    except ValueError:
        return []
    while words and (words[0] in WRAPPERS or ASSIGNED.fullmatch(words[0])):
        words.pop(0)
    return words


def program(words: list[str]) -> str | None:
    """The server that they start."""
    known = words and (PurePath(words[0]).name in KNOWN)
    if known:
        return words[0]
    if words and PurePath(words[0]).name.startswith("python"):  # /path/to/python -m gunicorn, /path/to/python odoo-bin
        return next((each for each in words[1:3] if PurePath(each).name in KNOWN), None)
    return None


def text_of(file: Path) -> str:
    """A file's text. Raises Unreadable."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: it cannot be read: {getattr(error, 'strerror', None) or error}") from None


def line_of(file: Path, section: str) -> int:
    """Where a section begins."""
    lines = text_of(file).splitlines()
    return next((number for number, line in enumerate(lines, start=1) if line.strip() == f"[{section}]"), 0)
