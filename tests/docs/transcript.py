"""A page that is played: its files are written, its commands typed in order, and what is seen compared with what it shows.

A block of code whose first line is a comment with the name of a file, as in `# app.py`, becomes that file. In what a page shows `…`
stands for anything, also for lines, and numbers, ids of incidents and white space stand for their like.
"""

import re
import threading
import time

from tests.docs.pages import Block, typed
from tests.docs.terminal import LOOKS, PATIENCE, PAUSE, Terminal

NAMED = re.compile(r"# ([\w./-]+)\n")
VARYING = re.compile(r"…|\b[0-9a-f]{8}\b|\d+|\s+")
FAILURE = "Traceback (most recent call last)"  # a command for which the page shows one is to fail


class Player(Terminal):
    """Plays blocks."""

    def play(self, block: Block) -> None:
        """Write the file that a block is, or type what it has."""
        if name := NAMED.match(block.text):
            (self.directory / name[1]).write_text(block.text)
        elif block.kind == "console":
            for line, shown in typed(block):
                seen = self.seen(line, shown)
                assert fits(shown, seen), f"{block.page} shows for {line}\n{shown}\nand seen is\n{seen}"

    def seen(self, line: str, shown: str) -> str:
        """What is seen after a line has been typed. Who only looks may look again: an incident is written down a moment later."""
        if line.startswith("prefork serve"):
            return self.serve(line)
        deadline = time.monotonic() + PATIENCE
        while True:
            status, seen = self.run(line)
            assert (status != 0) == (FAILURE in shown), f"{line} ended with {status}: {seen}"
            if not LOOKS.match(line) or fits(shown, seen) or time.monotonic() > deadline:
                return seen
            threading.Event().wait(PAUSE)


def fits(shown: str, seen: str) -> bool:
    """Whether that is what a page shows, line by line."""
    lines = (line.strip() for line in shown.splitlines())
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else rf"[ \t]*{like(line)}[ \t]*\n" for line in lines)
    return not shown or re.fullmatch(pattern, seen) is not None


def like(line: str) -> str:
    """A line as a pattern for its like."""
    fixed = (re.escape(text) for text in VARYING.split(line))
    varying = (alike(found[0]) for found in VARYING.finditer(line))
    return next(fixed) + "".join(kind + text for kind, text in zip(varying, fixed, strict=True))


def alike(varying: str) -> str:
    """The pattern for a number, an id, white space, or anything."""
    if varying == "…":
        return ".*"
    if varying.isspace():
        return "[ \t]+"
    return r"[0-9a-f]{8}" if len(varying) == 8 and not varying.isdecimal() else r"\d+"
