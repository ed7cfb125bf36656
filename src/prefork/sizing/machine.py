"""A machine, as far as sizing looks at it, and the sizes that the rules are written in."""

from __future__ import annotations

from typing import NamedTuple

MIB, GIB = 1 << 20, 1 << 30


class Machine(NamedTuple):
    """Processors, which may be a fraction under a quota, and bytes of memory."""

    cpus: float
    memory: int

    def words(self) -> str:
        """As people say it."""
        return f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'} and {gigabytes(self.memory)}"


def gigabytes(size: int) -> str:
    """A size for people: whole GiB without a fraction, small ones in MiB."""
    return f"{size / GIB:.1f}".removesuffix(".0") + " GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
