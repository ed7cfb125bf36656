"""A directory tree that behaves like the kernel's control groups, as far as Prefork uses them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork import cgroups

if TYPE_CHECKING:
    import pytest

FILES = {
    2: {
        "cgroup.procs": "",
        "cgroup.controllers": "cpu memory\n",
        "cgroup.subtree_control": "",
        "cgroup.type": "domain\n",
        "memory.max": "max\n",
        "memory.swap.max": "max\n",
        "memory.current": "1000\n",
        "memory.stat": "anon 900\nactive_file 60\ninactive_file 40\n",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "memory.oom.group": "0\n",
    },
    1: {
        "cgroup.procs": "",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.memsw.limit_in_bytes": "9223372036854771712\n",
        "memory.usage_in_bytes": "1000\n",
        "memory.stat": "cache 100\ntotal_active_file 60\ntotal_inactive_file 40\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
        "memory.failcnt": "0\n",
        "memory.memsw.failcnt": "0\n",
    },
}


class KernelGroups:
    """Groups below `mount`: one that is made has its files, one with processes or groups in it is divided or removed as there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
        self.root = root
        self.version = version
        self.mount = root / "sys/fs/cgroup" / ("" if version == 2 else "memory")
        self.mkdir, self.rmdir = os.mkdir, os.rmdir
        self.mount.mkdir(parents=True)
        self._fill(self.mount)
        (self.mount / "cgroup.type").unlink(missing_ok=True)
        (root / "proc/self").mkdir(parents=True)
        self.belong("/")
        monkeypatch.setattr(os, "mkdir", self._mkdir)
        monkeypatch.setattr(os, "rmdir", self._rmdir)
        monkeypatch.setattr(cgroups, "write", self._write)

    def belong(self, name: str) -> None:
        """Say to which group we belong."""
        (self.root / "proc/self/cgroup").write_text(f"9:memory:/\n0::{name}\n" if self.version == 1 else f"0::{name}\n")

    def make(self, name: str, *pids: int) -> Path:
        """A group with processes."""
        group = self.mount / name
        group.mkdir(parents=True)
        self.occupy(group, *pids)
        return group

    def occupy(self, group: Path, *pids: int) -> None:
        (group / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def inside(self, group: Path) -> list[int]:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]

    def groups(self, group: Path) -> set[str]:
        return {each.name for each in group.iterdir() if each.is_dir()}

    def _fill(self, group: Path) -> None:
        for name, text in FILES[self.version].items():
            (group / name).write_text(text)

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:
        self.mkdir(path, mode)
        if Path(path).is_relative_to(self.mount):
            self._fill(Path(path))

    def _rmdir(self, path: Any) -> None:
        group = Path(path)
        if self.groups(group) or self.inside(group):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        for file in group.iterdir():
            file.unlink()
        self.rmdir(path)

    def _write(self, path: Path, word: str) -> None:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if path.name == "cgroup.subtree_control":
            if word.startswith("+") and self.inside(path.parent):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
            path.write_text(word.removeprefix("+") if word.startswith("+") else "")
        elif path.name == "cgroup.procs":
            for group in [self.mount, *(each for each in self.mount.rglob("*") if each.is_dir())]:
                self.occupy(group, *(pid for pid in self.inside(group) if pid != int(word)))
            self.occupy(path.parent, *self.inside(path.parent), int(word))
        else:
            path.write_text(word)
