"""Control groups of memory as the kernel has them, versions 2 and 1: which one is ours to divide, and what its files say.

It finds, reads and writes files, and starts, kills and decides nothing: whom a group is for, and what it may hold, is the master's
business. cgroups(7); kernel.org, admin-guide/cgroup-v2 and cgroup-v1/memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

MAIN = "prefork-main"  # where a server moves what is in a group of version 2 that it divides
DELEGATED = ("user.delegate", "trusted.delegate")  # systemd.resource-control(5): attributes of what `Delegate=` gave away


class Unavailable(Exception):
    """There is no group to be had; the sentence says why."""


class Ground(NamedTuple):
    """A group that is ours to divide. `crowded`: we are in it ourselves, which version 2 does not allow of one that is divided."""

    path: Path
    version: Literal[1, 2]
    crowded: bool


class Toll(NamedTuple):
    """How often the kernel has killed in a group for want of memory, and how often the group's own limit was the reason."""

    kills: int
    own: int


def find(choice: str, root: Path = Path("/")) -> Ground:
    """The group for a value of the option `cgroup`; /proc and /sys are below `root`. Changes nothing. Raises Unavailable."""
    if choice == "off":
        raise Unavailable("the option cgroup is off")
    own = own_group(root)
    if choice != "auto":
        return appointed(Path(choice), own)
    if own is None:
        raise Unavailable(
            "this process has no control group of version 2 below /sys/fs/cgroup; for version 1 set the option cgroup"
        )
    place = own.parent if own.name == MAIN else own
    if not is_delegated(place, root):
        raise Unavailable(f"{place} is not delegated to this server (a unit of systemd does that by Delegate=memory)")
    return divisible(Ground(place, 2, crowded=place == own))


def own_group(root: Path) -> Path | None:
    """This process's group of version 2, where that is mounted at its usual place and reaches as far as the group."""
    mount = root / "sys/fs/cgroup"
    names = [line.removeprefix("0::") for line in text(root / "proc/self/cgroup").splitlines() if line.startswith("0::")]
    if not names or ".." in names[0] or not (mount / "cgroup.controllers").exists():
        return None
    return mount / names[0].strip("/")


def is_delegated(group: Path, root: Path) -> bool:
    """Whether a group was given to us: by systemd, or as the root of a container's own namespace."""
    for attribute in DELEGATED:
        try:
            if os.getxattr(group, attribute) == b"1":
                return True
        except OSError:
            pass
    # The root of the machine itself has no type.
    container = group == root / "sys/fs/cgroup" and (group / "cgroup.type").exists()
    return container and group.stat().st_uid == os.geteuid()


def appointed(path: Path, own: Path | None) -> Ground:
    """The group that the option names."""
    if (path / "memory.limit_in_bytes").exists():
        return divisible(Ground(path, 1, crowded=False))
    if (path / "cgroup.controllers").exists():
        return divisible(Ground(path, 2, crowded=path == own))
    raise Unavailable(f"{path} is no control group of memory; make it (mkdir), and give it to the account of the master")


def divisible(ground: Ground) -> Ground:
    """The same, if groups can be made below it and their memory be bounded."""
    path, needed = ground.path, [ground.path, ground.path / "cgroup.procs"]
    if ground.version == 2:
        needed.append(path / "cgroup.subtree_control")
        if "memory" not in text(path / "cgroup.controllers").split():
            raise Unavailable(f"{path} has no memory controller (its parent's cgroup.subtree_control does not name it)")
    for each in needed:
        if not os.access(each, os.W_OK):
            raise Unavailable(f"{each} cannot be written by this account")
    return ground


def settle(ground: Ground) -> None:
    """Prepare a group for others below it. Raises OSError."""
    if ground.version == 1:
        return
    if ground.crowded:
        (ground.path / MAIN).mkdir(exist_ok=True)
        move(ground.path, ground.path / MAIN)
    write(ground.path / "cgroup.subtree_control", "+memory")


def restore(ground: Ground) -> None:
    """Leave a group as it was found, unless somebody else has groups below it. Raises OSError."""
    main = ground.path / MAIN
    if ground.version == 1 or any(each.is_dir() and each != main for each in ground.path.iterdir()):
        return
    write(ground.path / "cgroup.subtree_control", "-memory")
    if main.exists():
        move(main, ground.path)
        main.rmdir()


def move(source: Path, target: Path) -> None:
    """Move every process. Raises OSError."""
    for pid in text(source / "cgroup.procs").split():
        try:
            write(target / "cgroup.procs", pid)
        except ProcessLookupError:
            pass  # it has ended


def bound(group: Path, version: int, most: int) -> bool:
    """Have the kernel kill what is in a group rather than let it have more than `most` bytes (0: no limit). Raises OSError.

    Nothing of it may be swapped out instead. False, and nothing is changed, when it holds so much already: that would kill it now.
    """
    if 0 < most <= held(group, version):
        return False
    if version == 2:
        write(group / "memory.max", str(most or "max"))
        optionally(group / "memory.swap.max", "0" if most else "max")
    else:
        both = group / "memory.memsw.limit_in_bytes"  # memory and swap, never below that of memory; not on every kernel
        optionally(both, "-1")
        write(group / "memory.limit_in_bytes", str(most or -1))
        optionally(both, str(most or -1))
    return True


def die_together(group: Path) -> None:
    """Have the kernel kill all in a group where it kills one for want of memory. Version 2 only, since Linux 4.19."""
    optionally(group / "memory.oom.group", "1")


def held(group: Path, version: int) -> int:
    """Bytes that a group has and cannot give back: without the files in its cache."""
    used, prefix = ("memory.current", "") if version == 2 else ("memory.usage_in_bytes", "total_")
    numbers = pairs(text(group / "memory.stat"))
    cache = sum(numbers.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    return int(text(group / used) or 0) - cache


def open_counters(group: Path, version: int) -> int:
    """A descriptor of the kernel's count of what it has killed in a group; everybody may read it. Raises OSError."""
    return os.open(group / ("memory.events" if version == 2 else "memory.oom_control"), os.O_RDONLY | os.O_CLOEXEC)


def kills(counters: int) -> int:
    """How often the kernel has killed in a group for want of memory; 0 when the group is gone."""
    return count(counters).get("oom_kill", 0)


def toll(group: Path, version: int, counters: int) -> Toll:
    """The same, and how often the group's own limit was the reason rather than that of a group above it, or the machine's end."""
    counted = count(counters)
    if version == 2:
        return Toll(counted.get("oom_kill", 0), counted.get("oom", 0))
    # Where swap is counted its limit is the same number, and is asked first.
    reached = sum(int(text(group / name) or 0) for name in ("memory.failcnt", "memory.memsw.failcnt"))
    return Toll(counted.get("oom_kill", 0), reached)


def count(counters: int) -> dict[str, int]:
    """The numbers of the file behind `open_counters`."""
    try:
        return pairs(os.pread(counters, 4096, 0).decode())
    except OSError:
        return {}


def pairs(lines: str) -> dict[str, int]:
    """A file of names and numbers."""
    words = (line.split() for line in lines.splitlines())
    return {name: int(number) for name, number in words}


def text(path: Path) -> str:
    """What is in a file, nothing where it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def write(path: Path, word: str) -> None:
    """Write to one of the kernel's files, which must be there. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, word.encode())
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(descriptor)


def optionally(path: Path, word: str) -> None:
    """Write to a file that not every kernel has."""
    try:
        write(path, word)
    except OSError:
        pass
