"""The terminal that a server was started from: in threaded mode a debugger in the application may read from it.

The kernel lets only the foreground process group read, so template and worker stay in the master's group then. What the keys
mean (Ctrl-C, Ctrl-\\) is for the master to decide: they take no notice of these signals.
"""

from __future__ import annotations

import os
import termios

INPUT, ERRORS = 0, 2


class Terminal:
    """Standard input, whose settings are put back at the end: a debugger that is killed leaves them changed."""

    def __init__(self) -> None:
        self.attributes = termios.tcgetattr(INPUT)

    def closed(self) -> bool:
        """Whether its window is gone, or the connection it came by."""
        try:
            os.tcgetpgrp(INPUT)
        except OSError:
            return True
        return False

    def restore(self) -> None:
        """Put the settings back; not from the background, where that would stop us."""
        try:
            if in_foreground() and termios.tcgetattr(INPUT) != self.attributes:
                termios.tcsetattr(INPUT, termios.TCSANOW, self.attributes)
        except (OSError, termios.error):
            pass  # it is closed


def find() -> Terminal | None:
    """The terminal in front of which somebody sits: they read the log there, and we may read what they type."""
    try:
        return Terminal() if os.isatty(ERRORS) and in_foreground() else None
    except (OSError, termios.error):
        return None


def in_foreground() -> bool:
    """Whether our process group may read from the terminal. Raises OSError when standard input is none."""
    return os.tcgetpgrp(INPUT) == os.getpgrp()
