"""A mount that can stall: a file system in user space that answers when it likes. Needs root and /dev/fuse.

It has one file, `file`, in its root. The records are those of linux/fuse.h.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

POSSIBLE = os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)
WHY_NOT = "NOT TESTED: that a stalled mount stalls only its own downloads. That needs root and /dev/fuse"

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, IOCTL, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 25, 26, 39, 42
IN, OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
ENTRY, ATTRIBUTES = struct.Struct("<QQQQII"), struct.Struct("<QQQQQQIIIIIIIIII")
KEEP_CACHE = 2  # opening it once more does not wait for those who read
BLOCK = 1 << 20
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


class Mount:
    """Below `place` while the context lasts. It answers the operations in `answered`, and all others never."""

    def __init__(self, place: Path, size: int = 0, answered: frozenset[int] = frozenset()) -> None:
        self.place = place
        self.size = size
        self.answered = answered
        self.asked: set[int] = set()
        self.device = -1

    def __enter__(self) -> Self:
        self.place.mkdir()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"stalling", bytes(self.place), b"fuse", 0, options.encode()) != 0:
            os.close(self.device)
            raise OSError(ctypes.get_errno(), "mount")
        self.ending, self.end = os.pipe()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.go()

    def go(self) -> None:
        """Be gone: whoever waits for an answer gets an error."""
        if self.device < 0:
            return
        os.close(self.end)
        self.thread.join()
        os.close(self.ending)
        os.close(self.device)
        self.device = -1
        assert libc.umount2(bytes(self.place), MNT_DETACH) == 0, os.strerror(ctypes.get_errno())

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.device, self.ending], [], [])
            if self.ending in ready:
                return
            request = os.read(self.device, BLOCK)
            _, operation, number, node, *_ = IN.unpack_from(request)
            self.asked.add(operation)
            if operation in self.answered and operation not in {FORGET, BATCH_FORGET}:
                error, body = self._answer(operation, node, request)
                os.write(self.device, OUT.pack(OUT.size + len(body), -error, number) + body)

    def _answer(self, operation: int, node: int, request: bytes) -> tuple[int, bytes]:
        if operation == INIT:
            return 0, struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 16, 12, 65536, 1, 0, 0, 0)
        if operation == LOOKUP:
            if request[IN.size :].rstrip(b"\0") != b"file":
                return errno.ENOENT, b""
            return 0, ENTRY.pack(2, 0, 0, 0, 0, 0) + self._attributes(2)
        if operation == GETATTR:
            return 0, struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if operation == OPEN:
            return 0, struct.pack("<QIi", 1, KEEP_CACHE, 0)
        return (0 if operation in {FLUSH, RELEASE} else errno.ENOSYS), b""

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o644
        return ATTRIBUTES.pack(node, self.size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
