"""A terminal in a directory, in which lines of pages are typed as a shell gets them.

Ports, hosts and directories that a page names are replaced by those of the test, text by text. A server that is typed gets a
terminal of its own, and the next line follows when it is ready. Nothing outlives the context.
"""

import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from prefork.testing import processes

PREFORK = Path(sys.executable).with_name("prefork")
READY = "Server is ready"
WATCHES = "Watching"
STOPPED = "Stopped after"
PATIENCE = 100.0  # seconds for a server to get ready, or for what a command shows to come true
PAUSE = 0.1  # seconds between two looks: jobs that are waited for get only what processor time others leave
# These change nothing, and may be typed again: what they tell is there a moment later.
LOOKS = re.compile(r"(\S*prefork (status|incidents|routes|jobs list|usage)|curl \S*/_prefork/)")


class Done(NamedTuple):
    """What a line ended with, and what it has said."""

    status: int
    said: str


class Running:
    """A command that goes on. What it says is read all the time, so that it never waits for us."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.said += line
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def wait_for(self, text: str) -> str:
        """What it has said once it says that."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.said or self._ended, PATIENCE)
            assert found, f"it takes too long to say {text!r}: {self.said}"
            assert text in self.said, f"it has ended and not said {text!r}: {self.said}"
            return self.said

    def end(self) -> int:
        """Its status, when it has ended."""
        status = self.process.wait(PATIENCE)
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()
        return status


class Terminal:
    """Types in `directory`, which is also the account's own. `instead` has what pages say with what is meant."""

    def __init__(self, directory: Path, instead: Mapping[str, object], environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.instead = {usual: str(meant) for usual, meant in instead.items()}
        self.mark = str(uuid.uuid4())
        path = f"{PREFORK.parent}:{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8", processes.MARK: self.mark}
        self.environment = {**own, **environment}
        self.running: list[Running] = []
        (directory / ".curlrc").write_text("silent\n")  # as it is on a terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        processes.kill_all(processes.marked(self.mark, -1))
        for each in self.running:
            each.end()

    def run(self, line: str) -> Done:
        """Type a line. What goes on behind it has let go of our pipes."""
        if line.endswith("&"):
            line = f"{line.removesuffix('&')} > /dev/null 2>&1 &"
        done = subprocess.run(
            self.shell(line),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Done(done.returncode, done.stderr + done.stdout)

    def serve(self, line: str, ready: str = READY) -> str:
        """Type a line that goes on; what it has said when it is ready."""
        command = self.shell(re.sub(r"^((?:\w+=\S+ )*)", r"\1exec ", line))
        self.running.append(Running(command, self.directory, self.environment))
        if "--dev" in line:  # the watcher is another process, which may say so before or after
            self.running[-1].wait_for(WATCHES)
        return self.running[-1].wait_for(ready)

    def stop(self) -> None:
        """End the server that was typed last, as a terminal that is closed does."""
        server = self.running.pop()
        server.process.terminate()
        status = server.end()
        assert STOPPED in server.said, f"it ended with {status}: {server.said}"

    def leave(self) -> None:
        """End what was typed last, whatever it does."""
        last = self.running.pop()
        last.process.kill()
        last.end()

    def await_end(self) -> None:
        """Wait for the end of what was typed last, with status 0."""
        assert self.running[-1].end() == 0, self.running.pop().said
        del self.running[-1]

    def shell(self, line: str) -> list[str]:
        """The line as a shell gets it."""
        return ["bash", "-c", self.meant(line)]

    def meant(self, text: str) -> str:
        """The text with what is meant here."""
        usual = "|".join(re.escape(each) for each in sorted(self.instead, key=len, reverse=True))
        return re.sub(usual, lambda found: self.instead[found[0]], text) if usual else text
