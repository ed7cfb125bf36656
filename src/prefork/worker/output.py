"""Where a template and its workers write what they and the application have to say: to the server's log.

After a rotation the log is another file. Nobody can exchange a process's descriptors from outside, so the new one is sent to each
and taken between two requests. What the application has led elsewhere by itself stays there.
"""

from __future__ import annotations

import contextlib
import os
import sys

from prefork.kernel import is_journald

STANDARD = (1, 2)  # output and error


class Output:
    """Standard output and error of this process, as long as they lead to the log. To be made before the application is loaded."""

    def __init__(self) -> None:
        self.log = file_of(2)

    def switch(self, descriptor: int) -> None:
        """Write to this log from now on; the descriptor is closed."""
        for number in STANDARD:
            if file_of(number) == self.log:
                os.dup2(descriptor, number)
        self.log = file_of(descriptor)
        os.close(descriptor)


def file_of(descriptor: int) -> tuple[int, int]:
    """What tells a descriptor's file from all others; no file's where it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


def complain(text: str) -> None:
    """Say in the server's own name what went wrong in this process. `text` ends with a line's end.

    It never fails: where there is no room for it, or nothing to write to any more, it is lost.
    """
    with contextlib.suppress(OSError):
        if is_journald(2):
            text = "".join(f"<3>{line}\n" for line in text[:-1].split("\n"))  # an error, in sd-daemon(3)'s form
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - the application has closed it, or put in its place what cannot do this
            os.write(2, text.encode("utf-8", "backslashreplace"))
