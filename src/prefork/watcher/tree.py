"""Which files of an application count, and which of them have changed between two looks.

Directories that hold what others have written are not entered: those of environments, packages, caches and version control. A link
is followed, as imports do, unless it leads up: whatever is there is not the application.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Code, and what applications read once, at their start or at first use. Other files, such as uploads, they may write themselves.
SUFFIXES = (".py", ".html", ".jinja", ".jinja2", ".j2", ".mako", ".cfg", ".ini", ".toml", ".yaml", ".yml")
NAMES = frozenset((".env",))
PASSED_OVER = frozenset(("__pycache__", "node_modules", "site-packages"))

State = tuple[int, int, int]  # of a file: time of its last change, size, inode


class Look(NamedTuple):
    """What there is at one moment: the directories to be told about, and each file that counts, with their states.

    A directory's state is its inode: another one in its place has to be watched anew.
    """

    folders: dict[str, int]
    files: dict[str, State]

    def changed(self, earlier: Look) -> list[str]:
        """The files that have come, gone or changed since an earlier look."""
        return sorted({path for path, _ in self.files.items() ^ earlier.files.items()})


class Tree:
    """The files below `root` without those below `data_dir`, and single `files` wherever they are. All are absolute paths."""

    def __init__(self, root: str, data_dir: str, files: tuple[str, ...]) -> None:
        self.root = root
        self.data_dir = data_dir
        self.single = files

    def look(self) -> Look:
        """Look at everything."""
        folders = {os.path.dirname(path) for path in self.single}
        files = dict(self._states(self.single))
        for folder, names in self._entered():
            folders.add(folder)
            files.update(self._states(os.path.join(folder, name) for name in names if counts(name)))
        # A link does not change with what is written where it leads.
        folders |= {os.path.dirname(os.path.realpath(path)) for path in files if os.path.islink(path)}
        return Look({path: inode for path, (_, _, inode) in self._states(folders)}, files)

    def concerns(self, path: str) -> bool:
        """Whether a look is worth while after a change of `path`, which may be a directory."""
        name = os.path.basename(path)
        return path in self.single or counts(name) or (os.path.isdir(path) and self._is_entered(os.path.dirname(path), name))

    def _entered(self) -> Iterator[tuple[str, list[str]]]:
        """The directories that are entered, each once however many ways lead there, and the names in them."""
        seen = set()
        for folder, below, names in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                below.clear()
                continue
            seen.add(real)
            below[:] = sorted(name for name in below if self._is_entered(folder, name))  # the same way at each look
            yield folder, names

    def _is_entered(self, folder: str, name: str) -> bool:
        path = os.path.join(folder, name)
        own = name.startswith(".") or name in PASSED_OVER or path == self.data_dir
        if own or os.path.exists(os.path.join(path, "pyvenv.cfg")):
            return False
        return not os.path.islink(path) or self._is_followed(os.path.realpath(path))

    def _is_followed(self, real: str) -> bool:
        """Whether a link may lead to this directory: not up, and not to what is passed over where it stands."""
        leads_up = os.path.join(os.path.realpath(self.root), "").startswith(os.path.join(real, ""))
        return not leads_up and self._is_entered(*os.path.split(real))

    def _states(self, paths: Iterable[str]) -> Iterator[tuple[str, State]]:
        for path in paths:
            try:
                status = os.stat(path)
            except OSError:
                continue  # gone meanwhile, or a link to nowhere
            yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def counts(name: str) -> bool:
    """Whether a file of this name is the application's; editors' own files are not."""
    return name in NAMES or (name.endswith(SUFFIXES) and not name.startswith("."))
