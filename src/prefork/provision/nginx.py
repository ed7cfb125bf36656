"""The sites of instances in nginx: put in place, tested by nginx itself, reloaded. A file that fails the test is taken back.

nginx is not ours: nothing of it is changed but one file for each instance.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from prefork.provision.writing import PUBLIC, content_of, put

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ("/usr/sbin", "/usr/local/sbin")  # not on every account's PATH
PATIENCE = 30.0  # seconds
LINES = 5  # of what nginx says


class Rejected(Exception):
    """nginx does not take it; the sentence is its own."""


class Nginx(NamedTuple):
    """`sites` is the directory whose files it includes, `main` its own file where that is not the usual one.

    `web` are its ports for HTTP and HTTPS.
    """

    sites: Path
    main: Path | None = None
    web: tuple[int, int] = (80, 443)

    def file(self, identity: str) -> Path:
        """That of an instance."""
        return self.sites / f"prefork-{identity}.conf"

    def text(self, identity: str) -> bytes | None:
        """What stands there now."""
        return content_of(self.file(identity))

    def put(self, identity: str, text: bytes | None) -> None:
        """Have an instance's site read so, or none. It counts from the next reload on. Raises Rejected; then it is as it was."""
        before = self.text(identity)
        try:
            put(self.file(identity), text, PUBLIC)
        except OSError as error:
            raise Rejected(f"{self.file(identity)} cannot be written: {(error.strerror or str(error)).lower()}") from None
        try:
            self._run("-t")
        except Rejected:
            put(self.file(identity), before, PUBLIC)
            raise

    def reload(self) -> None:
        """Have it serve what its files say. Raises Rejected."""
        self._run("-s", "reload")

    def _run(self, *arguments: str) -> None:
        program = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES]))
        if program is None:
            raise Rejected("nginx is not installed on this machine")
        chosen = ["-c", str(self.main), "-p", str(self.main.parent)] if self.main else []
        try:
            ended = subprocess.run(
                [program, *chosen, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Rejected(f"nginx cannot be asked: {error}") from None
        if ended.returncode:
            raise Rejected(f"nginx refuses: {' '.join(ended.stdout.splitlines()[-LINES:]) or f'exit status {ended.returncode}'}")
