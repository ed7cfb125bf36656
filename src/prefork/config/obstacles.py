"""What on this machine keeps valid settings from working: missing directories, unwritable places, unknown accounts.

It only looks; it creates, opens and starts nothing.
"""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.config import tree
from prefork.config.addresses import LONGEST_SOCKET, UNIX
from prefork.config.checks import problem
from prefork.config.embedded import binaries, directory_in, socket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from prefork.config.problems import Problem
    from prefork.config.settings import Settings

SHORTEST_SECRET = 32  # characters


def obstacles(settings: Settings, broken: AbstractSet[str] = frozenset()) -> list[Problem]:
    """Everything on this machine that is in the way. Values in `broken` could not be read, so nothing is said about them."""
    return [
        problem(settings, name, sentence) for name, check in OBSTACLES.items() if name not in broken for sentence in check(settings)
    ]


def app_dir(settings: Settings) -> Iterator[str]:
    """The application's directory must exist."""
    if not os.path.isdir(settings.app_dir):
        yield f"{settings.app_dir} is not a directory; name the one that holds the application"


def python(settings: Settings) -> Iterator[str]:
    """The application's interpreter must be a program."""
    if not os.path.exists(settings.python):
        yield f"{settings.python} does not exist; name the interpreter of the application's environment"
    elif not os.path.isfile(settings.python) or not os.access(settings.python, os.X_OK):
        yield f"{settings.python} is not a program that can be run; name the interpreter of the application's environment"


def dev(settings: Settings) -> Iterator[str]:
    """What notices changes is installed only where it is wanted."""
    if settings.dev and importlib.util.find_spec("watchfiles") is None:
        yield "needs watchfiles, which is not installed beside Prefork; install prefork[watch], or leave the option out"


def odoo(settings: Settings) -> Iterator[str]:
    """Odoo's directory must hold Odoo."""
    if settings.odoo and tree.version(settings.odoo) is None:
        yield f"{settings.odoo} does not hold Odoo, as there is no odoo/release.py in it; name the directory that odoo-bin is in"


def data_dir(settings: Settings) -> Iterator[str]:
    """The data directory must be writable, or creatable."""
    place = settings.data_dir
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        yield f"{settings.data_dir} cannot be a directory, as {place} is none; choose another"
    elif not os.access(place, os.W_OK | os.X_OK):
        yield f"{settings.data_dir} cannot be written, as {place} does not permit it; choose another or change its owner"


def jobs(settings: Settings) -> Iterator[str]:
    """What stores needs a database, and one of our own needs its programs and a place."""
    if settings.in_file and settings.store_dsn is None and settings.user is not None and os.geteuid() == 0:
        yield "are kept in data_dir in threaded mode, which is closed to the account of option user; set store_dsn"
    if settings.embedded and not for_the_bus(settings):
        yield from unstored(settings)


def bus(settings: Settings) -> Iterator[str]:
    """The bus needs one even where nothing else does."""
    return unstored(settings) if settings.embedded and for_the_bus(settings) else iter(())


def for_the_bus(settings: Settings) -> bool:
    """Whether nothing but the bus stores."""
    return settings.bus and not settings.jobs and settings.session_store != "postgresql"


def unstored(settings: Settings) -> Iterator[str]:
    """Why the server cannot have a database of its own: that needs its programs and a place."""
    if settings.db_host and not settings.db_name:
        yield "this needs a database, and db_host comes without a db_name; set that, or store_dsn"
    elif binaries() is None:
        yield "this needs a database; set store_dsn or db_name, or install prefork[embedded] for one of the server's own"
    elif len(os.fsencode(socket_of(settings.data_dir))) > LONGEST_SOCKET:
        yield f"the path of the database's socket, {socket_of(settings.data_dir)}, is too long; choose a shorter data_dir"
    else:
        yield from another_owner(settings)


def another_owner(settings: Settings) -> Iterator[str]:
    """PostgreSQL wants its directory to belong to the account that it runs as, which is that of the workers."""
    place = directory_in(settings.data_dir)
    wanted = os.geteuid() if settings.user is None else number(settings.user, lambda name: pwd.getpwnam(name).pw_uid)
    if wanted is not None and os.access(place, os.F_OK) and (holder := os.stat(place).st_uid) != wanted:
        said = settings.user or wanted
        yield f"{place} belongs to account {holder}, and the server's own database runs as {said}; chown -R {said} {place}"


def http_interface(settings: Settings) -> Iterator[str]:
    """The directory of a unix socket must be writable, and its place free for a socket."""
    for file in (Path(each.removeprefix(UNIX)) for each in settings.http_interface if each.startswith(UNIX)):
        if os.path.lexists(file) and not stat.S_ISSOCK(os.lstat(file).st_mode):
            yield f"{file} is no socket and is not replaced; remove it, or choose another path"
        elif not os.path.isdir(file.parent):
            yield f"{file} cannot be made, as its directory does not exist; create {file.parent}"
        elif not os.access(file.parent, os.W_OK | os.X_OK):
            yield f"{file} cannot be made, as {file.parent} does not permit it; choose another path or change the permissions"


def http_socket_group(settings: Settings) -> Iterator[str]:
    """The group must exist, and who is not root can give a file to groups of its own only."""
    name = settings.http_socket_group
    if name is None:
        return
    wanted = number(name, lambda name: grp.getgrnam(name).gr_gid)
    if wanted is None:
        yield f'there is no group "{name}" on this machine; create it, or give its number'
    elif os.geteuid() != 0 and wanted not in {os.getegid(), *os.getgroups()}:
        yield f'only root and members can give a socket to group "{name}"; add this account to it, or start Prefork as root'


def logfile(settings: Settings) -> Iterator[str]:
    """The log must be writable."""
    return unwritable(settings.logfile)


def pidfile(settings: Settings) -> Iterator[str]:
    """The pid file must be writable."""
    return unwritable(settings.pidfile)


def unwritable(file: Path | None) -> Iterator[str]:
    """Why a file cannot be written, if it cannot."""
    if file is None:
        return
    if os.path.isdir(file):
        yield f"{file} is a directory; name a file"
    elif not os.path.isdir(file.parent):
        yield f"{file} cannot be written, as its directory does not exist; create {file.parent}"
    elif not os.access(file if os.path.exists(file) else file.parent, os.W_OK):
        yield f"{file} cannot be written; choose another file or change the permissions"


def static(settings: Settings) -> Iterator[str]:
    """What is served must be there."""
    return absent(directory for _, directory in settings.static)


def sendfile_roots(settings: Settings) -> Iterator[str]:
    """What may be sent must be there."""
    return absent(settings.sendfile_roots)


def accel_redirects(settings: Settings) -> Iterator[str]:
    """What may be sent must be there."""
    return absent(directory for _, directory in settings.accel_redirects)


def absent(directories: Iterable[str | Path]) -> Iterator[str]:
    """Which of these are no directories."""
    return (
        f"{place} is not a directory; create it, or name the one that holds the files"
        for place in directories
        if not os.path.isdir(place)
    )


def session_dir(settings: Settings) -> Iterator[str]:
    """Sessions must have a directory to be made in."""
    return unplaced(settings, settings.session_dir)


def filestore(settings: Settings) -> Iterator[str]:
    """Files must have a directory to be made in."""
    return unplaced(settings, settings.filestore)


def unplaced(settings: Settings, place: Path) -> Iterator[str]:
    """Why a directory cannot be made: only the last one of its path is, so that an unmounted file system is noticed."""
    if not os.path.isdir(place) and place.parent != settings.data_dir and not os.path.isdir(place.parent):
        yield f"{place} cannot be made, as {place.parent} is not a directory; create it, or see whether it is mounted"


def session_secret_file(settings: Settings) -> Iterator[str]:
    """A secret that nodes share is not made by one of them in passing."""
    file = settings.session_secret_file
    if not os.path.exists(file):
        if file.parent != settings.data_dir:
            yield f"{file} does not exist; make it once, for all nodes: openssl rand -hex 32 > {file} && chmod 600 {file}"
    elif not os.path.isfile(file) or not os.access(file, os.R_OK):
        yield f"{file} cannot be read; name a file with a secret of {SHORTEST_SECRET} characters or more"
    elif os.path.getsize(file) < SHORTEST_SECRET:
        yield f"{file} holds no secret of {SHORTEST_SECRET} characters; write one: openssl rand -hex 32 > {file}"


def user(settings: Settings) -> Iterator[str]:
    """The account must exist, and only root may become somebody else."""
    return account(settings.user, lambda name: pwd.getpwnam(name).pw_uid, os.geteuid(), "user")


def group(settings: Settings) -> Iterator[str]:
    """The group must exist, and only root may change to another."""
    return account(settings.group, lambda name: grp.getgrnam(name).gr_gid, os.getegid(), "group")


def account(name: str | None, look_up: Callable[[str], int], own: int, noun: str) -> Iterator[str]:
    """Why workers cannot run as an account. Numbers need no entry: containers run as numbers that have none."""
    if name is None:
        return
    wanted = number(name, look_up)
    if wanted is None:
        yield f'there is no {noun} "{name}" on this machine; create it, or give its number'
        return
    if not 0 <= wanted < 2**32 - 1:
        yield f"{name} is not a {noun} number; use one below 4294967295"
    elif os.geteuid() != 0 and wanted != own:
        yield f'only root can run workers as {noun} "{name}"; start Prefork as root, or leave the option out'


def number(name: str, look_up: Callable[[str], int]) -> int | None:
    """The number of an account or group; None where there is none of this name."""
    try:
        return int(name) if name.isascii() and name.isdigit() else look_up(name)
    except (KeyError, ValueError):
        return None


OBSTACLES: dict[str, Callable[[Settings], Iterator[str]]] = {
    "app_dir": app_dir,
    "odoo": odoo,
    "python": python,
    "dev": dev,
    "jobs": jobs,
    "bus": bus,
    "http_interface": http_interface,
    "http_socket_group": http_socket_group,
    "data_dir": data_dir,
    "logfile": logfile,
    "pidfile": pidfile,
    "static": static,
    "sendfile_roots": sendfile_roots,
    "accel_redirects": accel_redirects,
    "session_dir": session_dir,
    "session_secret_file": session_secret_file,
    "filestore": filestore,
    "user": user,
    "group": group,
}
