"""What the pages tell people to type: their blocks of commands, configuration and code, each with its place.

A block is what stands between fences or is indented by four. Its commands are the lines behind `$ ` where there are such lines, as
what follows them is output then; else every line that begins with the name of a program.
"""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md")]
)
FENCE = re.compile(r"```(\w*)$")
PROGRAMS = frozenset(
    "apt-get cd curl django-admin echo make mv pip prefork ps psql pytest python python3 sed systemctl useradd".split()
)
ENDS = frozenset(("&&", "||", ";", "&", "|"))  # of a command on its line
FILES = frozenset((">", ">>", "<"))  # what follows is one


class Block(NamedTuple):
    """A block of a page; `kind` is the word behind its fence, nothing for one that is indented."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A program and its arguments, and the block that they stand in."""

    page: str
    line: int
    words: list[str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.words)}"

    @property
    def program(self) -> str:
        """Its name, without the directory."""
        return self.words[0].rpartition("/")[2]


def name(page: Path) -> str:
    """What a page is called here: `docs/start.md`."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    lines = page.read_text().splitlines()
    number = 0
    while number < len(lines):
        begin, fence = number, FENCE.match(lines[number])
        if fence:
            number = lines.index("```", begin + 1)
            yield Block(name(page), begin + 2, fence[1], "\n".join(lines[begin + 1 : number]) + "\n")
        elif lines[number].startswith("    ") and (not lines[number - 1].strip() or lines[number - 1].startswith("#")):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            text = "\n".join(line.removeprefix("    ") for line in lines[begin:number])
            yield Block(name(page), begin + 1, "", text.rstrip() + "\n")
            continue
        number += 1


def holding(page: str, text: str) -> str:
    """The first block of a page that has this text."""
    return next(block.text for block in blocks(ROOT / page) if text in block.text)


def typed(block: Block) -> list[tuple[str, str]]:
    """The lines of a block that are typed, those that go on joined, each with the output that the page shows for it."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return [(line, "") for line in lines if block.kind in {"", "sh"}]
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def lines(page: str) -> list[str]:
    """What a page has people type into a shell, in order, without comments."""
    return [
        line.partition("  #")[0].strip()
        for block in blocks(ROOT / page)
        for line, _ in typed(block)
        if any(command.program in PROGRAMS and command.words[1:2] != ["="] for command in of(block, line))
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block; what is no shell's (a table, a log) is none."""
    for line, _ in typed(block):
        yield from of(block, line)


def of(block: Block, line: str) -> Iterator[Command]:
    """The commands of a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # prose with an apostrophe
        return
    yield from simple(block, words)


def simple(block: Block, words: list[str]) -> Iterator[Command]:
    """The commands that a line consists of, without what is set for them and the files that they read or write."""
    part: list[str] = []
    for before, word in pairwise(["", *words, ";"]):
        if word not in ENDS:
            part += [] if word in FILES or before in FILES else [word]
            continue
        while part and re.match(r"\w+=", part[0]):
            del part[0]
        if part:
            yield Command(block.page, block.line, part)
        part = []
