"""Changes options in the text of a file and leaves everything else as it is: comments, order, line ends, other sections.

`merged` is pure. `rewrite` puts the new text in the place of the old one at once: whoever reads sees one of the two.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING

from prefork.config.reader import HEADER, INLINE_COMMENT, OPTIONS, read_text
from prefork.config.texts import content

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prefork.config.reader import Reading

ASSIGNED = re.compile(r"(\s*[^=:\s][^=:]*?\s*[=:][^\S\n]*)(.*?)(\s*)")
LINE_END = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")  # as the reader sees them: other signs that end a line are text
MARK = "\ufeff"  # the byte order mark
NEW_MODE = 0o640  # a file with options may get a password one day


class Unusable(Exception):
    """The file cannot be changed; the sentence says why. It is as it was."""


def rewrite(path: Path, values: Mapping[str, str]) -> list[str]:
    """Set options in a file, which is made where there is none. Returns the names of those that differ. Raises Unusable."""
    place = os.path.realpath(path)  # a link stays one
    try:
        if os.path.exists(place) and not os.path.isfile(place) and not os.path.isdir(place):  # a file would take its place
            raise Unusable(f"{path} is a device or a pipe, and was left as it is; name a file")
        old = content(place).decode()
    except FileNotFoundError:
        old = ""
    except UnicodeDecodeError:
        raise Unusable(f"{path} is not UTF-8 text, and was left as it is; save it as UTF-8") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    reading = read_text(old, str(path))
    if reading.problems:
        more = f" (and {len(reading.problems) - 1} more)" if len(reading.problems) > 1 else ""
        raise Unusable(f"{reading.problems[0]}{more}; {path} was left as it is")
    new = MARK * old.startswith(MARK) + merged(old.removeprefix(MARK), reading, values)
    if new != old:
        replace(place, new, path)
    before = {entry.key: entry.text for entry in reading.entries if entry.section == OPTIONS}
    return [name for name, text in values.items() if before.get(name) != text]


def merged(old: str, reading: Reading, values: Mapping[str, str]) -> str:
    """The text with other values; those that it lacks go behind the last option of [options]."""
    end = "\r\n" if "\r\n" in old else "\n"
    lines = [line for line in LINE_END.split(old) if line]
    last, missing = last_option(lines, reading), dict(values)
    for entry in reversed([entry for entry in reading.entries if entry.section == OPTIONS]):
        if entry.key in missing:
            after = following(lines, entry.line)
            lines[entry.line - 1 : after] = [assigned(lines[entry.line - 1], missing.pop(entry.key), end)]
            last -= (after - entry.line) if entry.line < last else 0
    added = [f"{name} = {text}{end}" for name, text in missing.items()]
    if added and lines and not lines[last - 1].endswith(("\n", "\r")) and last:
        lines[last - 1] += end
    if added and not any(header(line) == OPTIONS for line in lines) and not any(e.section == OPTIONS for e in reading.entries):
        added = [f"[{OPTIONS}]{end}", *added, *([end] if lines else [])]
    return "".join([*lines[:last], *added, *lines[last:]])


def last_option(lines: list[str], reading: Reading) -> int:
    """Behind which line an option more belongs: the last one of [options], else its header, else the top."""
    options = [entry.line for entry in reading.entries if entry.section == OPTIONS]
    if options:
        return following(lines, max(options))
    return next((number for number, line in enumerate(lines, 1) if header(line) == OPTIONS), 0)


def header(line: str) -> str:
    """The section that a line begins, if it does."""
    found = HEADER.fullmatch(line.strip())
    return found[1].strip() if found else ""


def following(lines: list[str], number: int) -> int:
    """The last line of the value that begins in line `number`: those that continue it are indented deeper."""
    depth, last = indent(lines[number - 1]), number
    for at, line in enumerate(lines[number:], number + 1):
        if not line.strip() or line.strip()[0] in "#;":
            continue
        if indent(line) <= depth:
            break
        last = at
    return last


def indent(line: str) -> int:
    """How far a line is from the edge."""
    return len(line) - len(line.lstrip())


def assigned(line: str, text: str, end: str) -> str:
    """An assignment with another value; its comment stays."""
    body = line.rstrip("\r\n")
    found = ASSIGNED.fullmatch(body)
    if found is None:
        raise AssertionError(line)  # the reader has taken it for one
    comment = INLINE_COMMENT.search(found[2] + found[3])
    return f"{found[1]}{text}{comment[0] if comment else ''}{line[len(body) :] or end}"


def replace(place: str, text: str, path: Path) -> None:
    """Write a file beside the one meant, and give it its name, rights and owner. Raises Unusable."""
    there = os.path.exists(place)
    if there and not os.access(place, os.W_OK):
        raise Unusable(f"{path} cannot be written by this account; run the command as its owner, or without --write")
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{os.path.basename(place)}.", dir=os.path.dirname(place))
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {(error.strerror or str(error)).lower()}; choose another file") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            status = os.stat(place) if there else None
            os.fchmod(file.fileno(), status.st_mode & 0o7777 if status else NEW_MODE)
            if status and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
    except OSError as error:
        os.unlink(draft)
        raise Unusable(f"{path} cannot be written: {(error.strerror or str(error)).lower()}; it was left as it is") from None
