"""Files that start other servers: Procfiles and supervisor's programs. Each command line is given to its server's importer."""

from __future__ import annotations

import configparser
import re
import shlex
from itertools import dropwhile, takewhile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from prefork.importers import gunicorn, odoo, uvicorn, uwsgi
from prefork.importers.finding import Draft, Setting, Unreadable, text_of
from prefork.importers.rules import given, near, none, same, seconds, translate, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prefork.importers.rules import Rule

ENTRY = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
PLACEHOLDER = re.compile(r"%\((\w+)\)s")  # in supervisor's files
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
JOINTS = {"&&", "||", ";"}  # between commands that a shell runs one after the other
SHELLS = {"sh", "bash", "dash"}
KNOWN = {"gunicorn", "uwsgi", "uvicorn", "hypercorn", "odoo", "odoo-bin"}
VARIABLE = "set it where the server is started, as with Environment= of its unit"
STEP = "have it done before the server starts, as with ExecStartPre= of its unit"
ELSEWHERE = "it starts no web server that is known here; scheduled work is a job: `jobs = module`"


def stopping(setting: Setting, draft: Draft) -> None:
    """A signal is understood, or means something else here."""
    if str(setting.value).upper().removeprefix("SIG") in {"TERM", "INT"}:
        draft.carry(setting, {}, "TERM and INT stop the server after its requests")
    else:
        draft.leave(setting, "TERM or INT stops the server; QUIT has it log stacks, HUP reload, USR1 reopen its log")


def logged(setting: Setting, draft: Draft) -> None:
    """A file, or one of the words and devices for what whoever starts the server does with it."""
    if setting.text.upper() in {"AUTO", "NONE", "SYSLOG"} or setting.text.startswith("/dev/"):
        draft.carry(setting, {}, "the log goes to standard error, which is that of whoever starts the server")
    else:
        draft.change(setting, {"logfile": setting.text}, "standard output and error are one log")


SUPERVISOR: Mapping[str, Rule] = {
    "directory": same("app_dir"),
    "user": same("user"),
    "umask": same("umask"),
    "stdout_logfile": logged,
    "stderr_logfile": logged,
    "redirect_stderr": given("standard output and error are one log"),
    "stopwaitsecs": same("graceful_timeout", seconds),
    "startsecs": near("boot_timeout", "a worker has this long to get ready", lambda setting: str(max(10, int(whole(setting))))),
    "stopsignal": stopping,
    "environment": none(VARIABLE),
}
PROGRAMS = none("systemd starts the server: `prefork render single` writes its unit")


def procfile(file: Path, home: Path, environ: Mapping[str, str], draft: Draft) -> None:
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
            started(entry, home, environ, draft)
    if not taken:
        raise Unreadable(f"{file}: no line of it starts gunicorn, uWSGI, uvicorn, Hypercorn or Odoo")


def supervisor(file: Path, home: Path, environ: Mapping[str, str], draft: Draft) -> None:
    """The first [program:…] that starts a web server. Raises Unreadable."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(text_of(file), str(file))
    except configparser.MissingSectionHeaderError as error:
        raise Unreadable(f"{file}:{error.lineno}: this stands below no section, as in [program:shop]") from None
    except configparser.ParsingError as error:
        raise Unreadable(f"{file}:{error.errors[0][0]}: this is neither NAME=VALUE, a [section] nor a comment") from None
    for name in parser.sections():
        # What environment= names may be secret, and what is left out is written down.
        values = {key: text if key == "environment" else filled(text, name, home, environ) for key, text in parser.items(name)}
        entry = Setting(f"{name} command", values.pop("command", ""), line_of(file, name))
        if not name.startswith("program:") or draft.options or program(words_of(entry)) is None:
            draft.leave(Setting(name, "", entry.line), ELSEWHERE if name.startswith("program:") else "it is supervisor's own")
            continue
        place = Path(values.get("directory", home))
        started(entry, place, environ, draft)
        rest = [Setting(key, value, entry.line) for key, value in values.items()]
        translate(rest, {each.name: SUPERVISOR.get(each.name, PROGRAMS) for each in rest}, "supervisor", draft)
    if not draft.options:
        raise Unreadable(f"{file}: no [program:…] of it starts gunicorn, uWSGI, uvicorn, Hypercorn or Odoo")


def filled(text: str, section: str, home: Path, environ: Mapping[str, str]) -> str:
    """A value with supervisor's placeholders; one that is not known stays."""
    program = section.rpartition(":")[2]
    known = {"program_name": program, "group_name": program, "here": str(home.absolute())}
    known |= {f"ENV_{name}": value for name, value in environ.items()}
    return PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), text)


def started(entry: Setting, place: Path, environ: Mapping[str, str], draft: Draft) -> None:
    """What one command line says, and the file that it names."""
    words = words_of(entry)
    path = program(words)
    assert path is not None  # whoever calls has looked
    name, arguments = PurePath(path).name, words[words.index(path) + 1 :]
    beside(entry, draft)
    if (python := PurePath(path).parent / "python").is_absolute():
        draft.carry(Setting("program", path, entry.line), {"python": str(python)}, "the environment that the program stands in")
    if name == "gunicorn":
        settings = gunicorn.read_flags(arguments, entry.line)
        file = next((Path(each.text) for each in settings if each.name == "config"), None)
        flags = [each for each in settings if each.name != "config"]
        known = place / file if file and not file.name.startswith("python:") else None
        earlier = gunicorn.read_file(known, environ, known.parent) if known else []
        named = {each.name for each in flags}
        gunicorn.translated([*(each for each in earlier if each.name not in named), *flags], draft)
    elif name == "uwsgi":
        settings = uwsgi.read_flags(arguments, entry.line)
        files = [place / each.text for each in settings if each.name == "ini" or each.name.endswith(".ini")]
        flags = [each for each in settings if each.name != "ini" and not each.name.endswith(".ini")]
        uwsgi.translated([*(each for file in files for each in uwsgi.read_file(file, environ, file.parent)), *flags], draft)
    elif name in {"odoo", "odoo-bin"}:
        odoo.started(Setting("command", path, entry.line), arguments, place, draft)
    else:
        uvicorn.translated(uvicorn.read_flags(arguments, entry.line), draft)


def words_of(entry: Setting) -> list[str]:
    """The words of the command that starts a web server, or of the first one. Raises Unreadable."""
    try:
        found = [bare(words) for words in steps(str(entry.value))]
    except ValueError as error:
        raise Unreadable(f"line {entry.line}: no shell understands this command: {str(error).lower()}") from None
    return next((words for words in found if program(words)), found[0] if found else [])


def steps(line: str) -> Iterator[list[str]]:
    """The commands that a shell would run one after the other. Raises ValueError."""
    words = shlex.split(line)
    if len(words) > 2 and PurePath(words[0]).name in SHELLS and words[1] in {"-c", "-lc", "-ec"}:
        yield from steps(words[2])
        return
    step: list[str] = []
    for word in words:
        if word in JOINTS or word.endswith(";"):
            yield [*step, *filter(None, [word.strip(";&|")])]
            step = []
        else:
            step.append(word)
    yield step


def bare(words: list[str]) -> list[str]:
    """A command without what starts it, and without the variables before it."""
    return list(dropwhile(lambda word: word in WRAPPERS or ASSIGNED.fullmatch(word), words))


def beside(entry: Setting, draft: Draft) -> None:
    """What a line says beside its server: variables, and other commands."""
    for words in steps(str(entry.value)):
        for name, _, text in (word.partition("=") for word in takewhile(ASSIGNED.fullmatch, words)):
            draft.leave(Setting(name, text, entry.line), VARIABLE)
        if words and program(bare(words)) is None:
            draft.leave(Setting(entry.name, shlex.join(words), entry.line), STEP)


def program(words: list[str]) -> str | None:
    """The server that they start."""
    known = words and (PurePath(words[0]).name in KNOWN)
    if known:
        return words[0]
    if words and PurePath(words[0]).name.startswith("python"):  # /path/to/python -m gunicorn, /path/to/python odoo-bin
        return next((each for each in words[1:3] if PurePath(each).name in KNOWN), None)
    return None


def line_of(file: Path, section: str) -> int:
    """Where a section begins."""
    lines = text_of(file).splitlines()
    return next((number for number, line in enumerate(lines, start=1) if line.strip() == f"[{section}]"), 0)
