"""What the console has where it runs as another account than the master: as `user`, whom the application is, too.

A directory of its own, a way to it, what incidents and a new log say, and of the control socket what `GUESTS` has. All else stays
the master's: nothing here may lead to its rights.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from prefork.incidents import files
from prefork.master.owner import give, owner_of

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.config import Settings
    from prefork.master.spawn import Owner

PLACE = "console"  # in the data directory; instances.database looks for its file there first
GUESTS = frozenset(("status", "routes", "metrics", "trace", "origin", "stacks", "retire", "reload"))


def guest_of(settings: Settings) -> Owner | None:
    """Whose the console is, where that is another account than ours and there is to be one."""
    whose = owner_of(settings.user, settings.group)
    return whose if settings.console and whose.user not in {None, os.geteuid()} else None


def furnish(data_dir: Path, guest: Owner) -> None:
    """Have a console of that account find what it needs. Raises OSError."""
    if os.stat(data_dir).st_uid != os.geteuid():
        raise PermissionError(f"data_dir {data_dir} belongs to another account than the server; make it root's, or choose another")
    place = data_dir / PLACE
    place.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        give(descriptor, guest)
    finally:
        os.close(descriptor)
    let_through(data_dir, guest)
    assert guest.group is not None
    for file in files(data_dir):
        os.chown(file, -1, guest.group)
        file.chmod(0o640)


def let_through(data_dir: Path, guest: Owner) -> None:
    """Let an account pass, and see nothing. A group that somebody has let in already keeps its rights."""
    assert guest.group is not None
    status = os.stat(data_dir)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o001 or (mode & 0o010 and status.st_gid == guest.group):
        return
    if mode & 0o070:
        data_dir.chmod(mode | 0o001)
    else:
        os.chown(data_dir, -1, guest.group)
        data_dir.chmod(mode | 0o010)
