"""An account other than root: its lab is in a user namespace, where it is root and its subordinate numbers are all other accounts.

Everything else is the same there, but files of the machine belong to nobody known, and cannot be changed even in an overlay. What
lies below a node's own files is a copy therefore.
"""

from __future__ import annotations

import os
import pwd
import shutil
from contextlib import suppress
from pathlib import Path

ACCOUNTS = 65_535  # numbers that an account needs: those that Debian gives out, and the site's
EVERYBODY = "4294967295"  # how many the machine's own namespace has
DIRECTORIES = 3  # of a path in /var that a node finds, the last one empty


def way_in(hub: int) -> list[str]:
    """How a command begins that is root where the hub is, or in a new namespace; empty for root, and where that cannot be."""
    if os.geteuid() == 0 or obstacle():
        return []
    if hub:
        return ["nsenter", f"--target={hub}", "--user", "--"]
    return ["unshare", "--user", "--map-root-user", "--map-auto", "--"]


def obstacle() -> str:
    """What keeps this account from having namespaces, in a sentence; empty where nothing does."""
    if os.geteuid() == 0:
        return ""
    name = own_name()
    if not shutil.which("newuidmap"):
        return "nodes are namespaces with accounts; run this as root, or install what maps accounts: apt-get install uidmap"
    if not all(numbers(Path(file), name) >= ACCOUNTS for file in ("/etc/subuid", "/etc/subgid")):
        return (
            f"nodes have accounts, and {name} has no {ACCOUNTS} subordinate numbers; run this as root, or have root say: "
            f"usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {name}"
        )
    return ""


def own_name() -> str:
    """What this process's account is called, or its number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def numbers(file: Path, name: str) -> int:
    """How many subordinate numbers an account has in one piece."""
    with suppress(OSError):
        lines = (line.split(":") for line in file.read_text().splitlines())
        return max((int(count) for owner, _, count in lines if owner == name), default=0)
    return 0


def confined() -> bool:
    """Whether this process is root in a user namespace only."""
    return Path("/proc/self/uid_map").read_text().split()[2] != EVERYBODY


def copy_machine(place: Path) -> None:
    """Make what lies below a node's own files: /etc as far as it can be read, the directories of /var, /opt as it is."""
    place.mkdir(parents=True, exist_ok=True)
    for tree, ignored in (("/etc", None), ("/var", contents)):
        with suppress(shutil.Error):  # it names what cannot be read
            shutil.copytree(tree, place / tree[1:], symlinks=True, ignore=ignored)
    (place / "srv").mkdir()
    (place / "opt").symlink_to("/opt")


def contents(directory: str, names: list[str]) -> list[str]:
    """What a node does not find in a directory of /var: files, and what is too deep."""
    deep = len(Path(directory).parts) > DIRECTORIES
    return [name for name in names if deep or not Path(directory, name).is_dir()]
