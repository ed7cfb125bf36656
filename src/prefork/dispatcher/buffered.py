"""Bodies that wait where they arrive, in the receive buffers of their clients' sockets, until all of each is there.

Its worker then reads it itself, and waits for nobody: what would have been written to a file and read from there is copied
once. That is for bodies of middle size whose clients send fast. The memory is the kernel's, so there is not much of it, and who is
slow has it for a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.kernel import await_bytes

if TYPE_CHECKING:
    import socket

MOST = 1 << 20  # bytes of one body
ALL = 1 << 24  # bytes of all bodies together
WITHIN = 1.0  # seconds in which the rest of a body has to come


class Buffered:
    """Has room for them. `held` counts the bytes that are waited for, or wait for their worker."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def hold(self, client: socket.SocketType, left: int) -> bool:
        """Have `left` bytes wait in a socket, which tells of nothing before they are there. False where there is no room."""
        if left > MOST or self.held + left > ALL or not await_bytes(client, left):
            return False
        self.held += left
        return True

    def release(self, left: int) -> None:
        """They are read, or are waited for in another way."""
        self.held -= left
