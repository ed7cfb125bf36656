"""A page that is played: its files are written, its commands typed in order, and what is seen compared with what it shows.

A block of code whose first line is a comment with the name of a file, as in `# app.py`, becomes that file. `prefork serve` gets a
terminal of its own; the next command follows when that server is ready. In what a page shows `…` stands for anything, also for
lines, and numbers, ids of incidents and white space stand for their like. Ports are replaced by free ones.
"""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Self

from tests.docs.pages import Block, typed

from prefork.testing import processes

NAMED = re.compile(r"# ([\w./-]+)\n")
VARYING = re.compile(r"…|\b[0-9a-f]{8}\b|\d+|\s+")
FAILURE = "Traceback (most recent call last)"  # a command for which the page shows one is to fail
READY = "Server is ready"
PATIENCE = 60.0  # seconds for a server to get ready, or for what a command shows to come true
LOOKS = ("prefork status", "prefork incidents", "prefork routes")  # these change nothing, and may be typed again


class Player:
    """Plays blocks in `directory`. `ports` are those of the page with those to take instead. Nothing outlives its context."""

    def __init__(self, directory: Path, ports: Mapping[str, int], environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.ports = ports
        self.mark = str(uuid.uuid4())
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8", processes.MARK: self.mark, **environment}
        self.server: subprocess.Popen[str] | None = None
        (directory / ".curlrc").write_text("silent\n")  # as it is on a terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        processes.kill_all(processes.marked(self.mark, -1))
        if self.server:
            self.server.communicate()

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
        seen = self.type(line, fails=FAILURE in shown)
        while line.startswith(LOOKS) and not fits(shown, seen) and time.monotonic() < deadline:
            seen = self.type(line, fails=False)
        return seen

    def type(self, line: str, *, fails: bool) -> str:
        """Type a line; what it prints."""
        command, place = self.shell(line), self.directory
        done = subprocess.run(command, cwd=place, env=self.environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, f"{line} ended with {done.returncode}: {done.stderr}"
        return done.stderr + done.stdout

    def serve(self, line: str) -> str:
        """What a server has said when it is ready."""
        self.server = subprocess.Popen(
            self.shell(f"exec {line}"),
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.server.stdout
        seen = []
        impatience = Timer(PATIENCE, self.server.kill)  # then it says no more
        impatience.start()
        for said in self.server.stdout:
            seen.append(said)
            if READY in said:
                break
        impatience.cancel()
        assert READY in "".join(seen), f"{line} has ended: {''.join(seen)}"
        return "".join(seen)

    def shell(self, line: str) -> list[str]:
        """The line as a shell gets it."""
        for usual, free in self.ports.items():
            line = line.replace(usual, str(free))
        return ["bash", "-c", line]


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
