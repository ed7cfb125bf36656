"""The files that mark a running server: data directory and its lock, pid file, log file; and whom its processes belong to."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING

from prefork.master.spawn import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class InUse(Exception):
    """Another server lives in this data directory; the sentence says which."""


def claim(data_dir: Path) -> int:
    """Make the data directory and lock it for as long as the returned descriptor is open. Raises InUse, OSError."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(data_dir / "prefork.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode().strip()
        os.close(lock)
        raise InUse(f"data_dir {data_dir} is in use by the server with pid {holder}; stop it, or set another data_dir") from None
    os.ftruncate(lock, 0)
    with naming(data_dir / "prefork.lock"):
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError from here say which file it is about: what comes of an open descriptor does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def unusable(error: OSError) -> str:
    """What a server that cannot start says of it."""
    reason = (error.strerror or str(error)).lower()
    return f"prefork: cannot start: {reason}\n" if error.filename is None else f"prefork: cannot use {error.filename}: {reason}\n"


def open_spool(data_dir: Path, whose: Owner) -> int:
    """Make the directory for large bodies and unread answers, which belongs to those who write there, and open it. Raises OSError.

    Its descriptor is their way to it: the data directory above is closed to them.
    """
    place = data_dir / "spool"
    place.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    give(descriptor, whose)
    return descriptor


def open_place(place: Path, whose: Owner) -> int:
    """Open a directory in which workers keep something, made and given to them where it is missing. Raises OSError."""
    try:
        place.mkdir(mode=0o750)
        made = True
    except FileExistsError:
        made = False
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if made:
        give(descriptor, whose)
    return descriptor


def give(descriptor: int, whose: Owner) -> None:
    """Have a file or directory belong to those who work there. Raises OSError."""
    if whose.user is not None or whose.group is not None:
        os.fchown(descriptor, -1 if whose.user is None else whose.user, -1 if whose.group is None else whose.group)


def open_secret(file: Path) -> int:
    """Open the file with the secret of the sessions' cookies, made where it is missing. Raises OSError."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fill(descriptor, file, f"{os.urandom(32).hex()}\n")
    return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


def fill(descriptor: int, path: Path, text: str) -> None:
    """Write the text of a new file and close it. Where there is no room no file is left. Raises OSError."""
    try:
        with naming(path), open(descriptor, "w") as file:
            file.write(text)
    except OSError:
        path.unlink()
        raise


def write_pid(path: Path) -> None:
    """Write our pid. Raises OSError."""
    put(path, f"{os.getpid()}\n", 0o666)


def put(path: Path, text: str, mode: int) -> None:
    """Write a file; a reader never sees half of it. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    fill(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode), new, text)
    new.rename(path)


def remove_pid(path: Path) -> None:
    """Remove the pid file if it is ours."""
    try:
        if path.read_text().strip() == str(os.getpid()):
            path.unlink()
    except OSError:
        pass


def open_log(path: Path | None, readers: int | None = None) -> int:
    """A descriptor for the log: the file, which a group may read if we make it, or standard error. Raises OSError.

    A file is appended to, also when the shell opened it with `>`: several processes write to it, and whoever started us may
    write after us. So the flag is set on the description that all of them share.
    """
    if path is not None:
        fresh = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if fresh and readers is not None:
            os.fchown(descriptor, -1, readers)
        return descriptor
    if stat.S_ISREG(os.fstat(2).st_mode):
        fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_APPEND)
    return os.dup(2)


def owner_of(user: str | None, group: str | None) -> Owner:
    """Numbers for the names or numbers of the options user and group, which have been checked."""
    account = None
    if user is not None:
        account = pwd.getpwuid(int(user)) if user.isascii() and user.isdigit() else pwd.getpwnam(user)
    main_group = account.pw_gid if account else None
    if group is not None:
        main_group = group_number(group)
    return Owner(account.pw_uid if account else None, main_group)


def group_number(group: str) -> int:
    """The number of a group that is given by name or number and has been checked."""
    return int(group) if group.isascii() and group.isdigit() else grp.getgrnam(group).gr_gid
