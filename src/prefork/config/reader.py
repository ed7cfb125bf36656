"""Reads the syntax of odoo.conf: sections, `key = value`, continuation lines, comments.

It knows no option: it says which line holds which text, and what is no such line. Text of keys that may hold a secret is never cut
at a comment sign and never repeated in a problem.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefork.config.hosted import is_secret
from prefork.config.problems import Problem, Source
from prefork.config.texts import content

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = "options"  # the section whose header may be left out
HEADER = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?")
ASSIGNMENT = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)")
INLINE_COMMENT = re.compile(r"(?:^|\s+)[#;].*")


@dataclass(slots=True)
class Entry:
    """One key with its text. Continuation lines are joined by a line feed; `line` is the key's.

    `commented`: a comment was behind its text, which Odoo would take for a part of it.
    """

    section: str
    key: str
    text: str
    line: int
    commented: bool = False


@dataclass(slots=True)
class Reading:
    """The entries of a file, in order, and the lines that are none. `unread`: what is in it is not known."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unread: bool = False


def read_file(path: Path, name: str) -> Reading:
    """Read a UTF-8 file, with or without a byte order mark. `name` stands for it in problems."""
    try:
        if passes(path):
            problem = Problem(name, "it can be read once, and a reload or another command reads it again; write it to a file")
            return Reading(name, problems=[problem], unread=True)
        raw = content(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name cannot be used"
        problem = Problem(name, f"the file cannot be read: {reason}; check the path and its permissions")
        return Reading(name, problems=[problem], unread=True)
    try:
        return read_text(raw.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(f"{name}:{line}", "the line is not UTF-8 text; save the file as UTF-8", line)
        return Reading(name, problems=[problem], unread=True)


def passes(path: Path) -> bool:
    """Whether what is read there passes: a pipe, as of a shell's <(…), or a device other than the empty one. Raises OSError."""
    return not stat.S_ISREG(path.stat().st_mode) and not path.is_dir() and not path.samefile(os.devnull)


def read_text(text: str, name: str) -> Reading:
    """Read the text of a file. Any text gives a reading; what is wrong with it is in `problems`."""
    reading = Reading(name)
    section, indent, current = OPTIONS, 0, None
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        depth = len(raw) - len(raw.lstrip())
        if current is not None and depth > indent:
            text = written(current.section, current.key, line)
            current.text += "\n" + text
            current.commented |= text != line
            continue
        indent, current = depth, None
        if header := HEADER.fullmatch(line):
            section = header[1].strip()
        elif (entry := assignment(section, line, number)) is not None:
            reading.entries.append(entry)
            current = entry
        else:
            sentence = "the line is neither `key = value`, a [section] nor a comment; begin a comment with # or ;"
            reading.problems.append(Problem(f"{name}:{number}", sentence, number))
    report_duplicates(reading)
    return reading


def assignment(section: str, line: str, number: int) -> Entry | None:
    """The entry a line makes, or None when it is no assignment. Keys of [options] are lower case, as in Odoo."""
    match = ASSIGNMENT.fullmatch(line)
    if match is None or line.startswith("["):
        return None
    key = match[1].lower()
    text = written(section, key, match[2])
    return Entry(section, key, text, number, commented=text != match[2])


def written(section: str, key: str, text: str) -> str:
    """The text without its inline comment. Secrets and other sections belong to somebody else: they keep every character."""
    return text if section != OPTIONS or is_secret(key) else INLINE_COMMENT.sub("", text, count=1)


def report_duplicates(reading: Reading) -> None:
    """A key that is set twice is a mistake whichever one would win: name both lines and keep the first."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in reading.entries:
        earlier = first.setdefault((entry.section, entry.key), entry)
        if earlier is not entry:
            source = Source("file", reading.name, entry.line)
            reading.problems.append(source.problem(entry.key, f"already set in line {earlier.line}; remove one of the two"))
    reading.entries = list(first.values())
