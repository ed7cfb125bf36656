"""The file without a name that a worker writes the stacks of its threads to: shared with it, read and wiped here."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 1 << 18  # bytes that are read of it
OWN_FRAME = f'File "{Path(__file__).parent.parent}{os.sep}'


class Slate:
    """One worker's; `descriptor` is passed to it."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("prefork-stacks", os.MFD_CLOEXEC)

    def wipe(self) -> None:
        """Forget what was written, so that it is not taken for the worker's last words."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)  # shared with the worker: it writes where we say

    def keep(self, stacks: str) -> None:
        """Take what somebody else has found for what the worker has written."""
        os.pwrite(self.descriptor, stacks.encode(), 0)

    def written(self) -> int:
        """How many bytes there are."""
        return os.fstat(self.descriptor).st_size

    def text(self) -> str:
        """What the worker has written."""
        return shortened(os.pread(self.descriptor, LONGEST, 0).decode(errors="replace"))

    def close(self) -> None:
        """Give it back."""
        os.close(self.descriptor)


def shortened(stacks: str) -> str:
    """Stacks without the frames that called the application: they are the same each time. The innermost frame always stays."""
    threads = [thread.rstrip().splitlines() for thread in stacks.split("\n\n")]
    for lines in threads:
        while len(lines) > 2 and OWN_FRAME in lines[-1]:
            lines.pop()
    return "\n\n".join("\n".join(lines) for lines in threads)
